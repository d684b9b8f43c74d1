"""The command, as it is typed."""

# ruff: noqa: PLC0415 - whoever asks for another command waits for none of this

import signal
from pathlib import Path
from typing import Annotated

import typer

from polling_api.commands.start import fail, read_settings
from polling_api.domain.job import Outcome


def export_results(
    job: Annotated[str, typer.Argument(help="The job's id; it has ended.")],
    file: Annotated[Path, typer.Argument(help="Where the results go, a JSON line each. It may not be there yet.")],
    *,
    url: Annotated[str | None, typer.Option(help="The service's address; that of POLLING_HOST and PORT else.")] = None,
    client: Annotated[
        Path | None, typer.Option(help="What `clients create --json` printed: signs, for a client's own jobs.")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="A file that holds an access token.")] = None,
    outcome: Annotated[
        Outcome | None,
        typer.Option(help="Only results with this one, as many as the job says; a token needs `status` for that."),
    ] = None,
    compress: Annotated[bool, typer.Option(help="Have them travel compressed.")] = True,
) -> None:
    """Download all results of a job, going on where an earlier export was cut; FILE is there once it is whole.

    Until then it is FILE.part. Connections that break and services that are away are waited for, and whoever stops it
    runs it again to go on. Asks without credentials unless there is a client or a token.
    """
    from polling_api.commands.export.caller import caller_of
    from polling_api.commands.export.errors import ExportError, WrongFile
    from polling_api.commands.export.export import export
    from polling_api.commands.export.results import Results
    from polling_api.commands.sign import BadCredentials

    settings = read_settings()
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104 - compared, not bound
    try:
        caller = caller_of(client, token_file)
        with Results(url or f"http://{host}:{settings.port}", caller, job, outcome, compressed=compress) as results:
            items = export(results, file, job, outcome)
    except (BadCredentials, WrongFile) as error:
        fail(str(error))
    except ExportError as error:
        fail(str(error), 1)
    except OSError as error:
        fail(f"{error.filename or file} cannot be written: {error.strerror}.", 1)
    except KeyboardInterrupt:
        fail(f"Stopped. What has come is in {file}.part; run it again to go on.", 128 + signal.SIGINT)
    typer.echo(f"{file}: {items} results of {job}, and the end.")
