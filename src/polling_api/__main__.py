"""The command line, `polling-api`."""

# ruff: noqa: PLC0415 - each command loads only what it needs: a monitor starts without a web framework

import asyncio
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import structlog
import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from rich.console import Console
from rich.table import Table

from polling_api import logs
from polling_api.commands import blocks, clients, keys, master_keys, webhooks
from polling_api.commands.export.command import export_results
from polling_api.commands.start import fail, read_settings
from polling_api.embedded import EmbeddedError
from polling_api.settings import Settings

if TYPE_CHECKING:
    from polling_api.supervisor.serving import Plan

DEMO_INTERVAL = 2.0  # seconds between two looks upstream in the demo, so that its batch ends within a minute
LIFELINE_MARGIN = 5.0  # seconds beyond the drain time that a child without a parent may take to end

app = typer.Typer(
    name="polling-api",
    help="The status tier of a generation service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # it would print the values of local variables, and with them secrets
)

app.add_typer(clients.app)
app.add_typer(keys.app)
app.add_typer(master_keys.app)
app.add_typer(blocks.app)
app.add_typer(webhooks.app)
app.command(name="export")(export_results)

Lifeline = Annotated[bool, typer.Option("--lifeline", hidden=True, help="Drain when standard input is closed.")]
Descriptor = Annotated[int | None, typer.Option("--fd", hidden=True, help="A listening socket that is inherited.")]
Workers = Annotated[int | None, typer.Option(min=1, max=64, help="Processes that serve HTTP; POLLING_WORKERS else.")]


@app.command()
def run() -> None:
    """Start everything, follow a first batch in the terminal, and stay up until Ctrl-C."""
    from polling_api.supervisor.serving import Plan

    settings = read_settings()
    console = Console()
    environment: dict[str, str] = {}
    if "monitor_interval" not in settings.model_fields_set:
        environment["POLLING_MONITOR_INTERVAL"] = str(DEMO_INTERVAL)
        console.print(
            f"For this demo the monitor looks upstream every {DEMO_INTERVAL:g} s, "
            f"not every {settings.monitor_interval:g} s (POLLING_MONITOR_INTERVAL)."
        )
    if "webhook_allow_private" not in settings.model_fields_set:
        environment["POLLING_WEBHOOK_ALLOW_PRIVATE"] = "true"
        console.print(
            "For this demo webhooks may go to this machine and private networks; elsewhere they do not, unless "
            "POLLING_WEBHOOK_ALLOW_PRIVATE=true."
        )
    output = settings.data_dir.absolute() / "service.log"
    console.print(f"The service's log: {output}", soft_wrap=True)

    def tell(event: str, **facts: str) -> None:
        console.print(f"{event}: {', '.join(facts.values())}", soft_wrap=True)

    _serve(settings, Plan(tell=tell, demo=True, environment=environment, output=output))


@app.command()
def serve(
    *,
    workers: Workers = None,
    monitor: Annotated[bool, typer.Option(help="Run a monitor too.")] = True,
) -> None:
    """Start the service and what it needs in the foreground, until SIGINT or SIGTERM."""
    from polling_api.supervisor.serving import Plan

    settings = read_settings()
    if workers is not None:
        settings = settings.model_copy(update={"workers": workers})
    _serve(settings, Plan(tell=structlog.get_logger("polling_api.supervisor").info, monitor=monitor))


@app.command(hidden=True)
def worker(*, fd: Descriptor = None, lifeline: Lifeline = False) -> None:
    """Serve HTTP from one process, on an inherited socket or on HOST and PORT."""
    settings = _child_settings(lifeline=lifeline)
    from polling_api.server import run_worker

    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once it has ended in order
        run_worker(settings, fd)


@app.command()
def monitor(*, lifeline: Lifeline = False) -> None:
    """Look after jobs from one more process; any number may run side by side."""
    settings = _child_settings(lifeline=lifeline)
    if settings.database_url is None or settings.redis_url is None:
        fail(
            "A monitor of its own needs POLLING_DATABASE_URL and POLLING_REDIS_URL: embedded servers are started "
            "by `serve` and `run`, which bring a monitor too."
        )
    if not settings.master_keys:
        fail("A monitor needs POLLING_MASTER_KEYS: it signs webhooks, with secrets that are sealed with them.")
    from polling_api.app.monitoring import run_monitor
    from polling_api.app.waiting import NotThere

    try:
        asyncio.run(_until_signal(run_monitor(settings)))
    except NotThere as error:
        fail(str(error), 1)


@app.command()
def simulator(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on. It knows no keys and no limits.")] = "127.0.0.1",
    fd: Descriptor = None,
    lifeline: Lifeline = False,
) -> None:
    """Serve the provider's wire without models, on SIMULATOR_PORT."""
    settings = _child_settings(lifeline=lifeline)
    from polling_api.supervisor.simulator import run_simulator

    run_simulator(settings, host, fd)


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    settings = read_settings()
    from polling_api.supervisor.errors import StartError
    from polling_api.supervisor.standing import migrate as upgrade

    try:
        upgrade(settings)
    except (StartError, EmbeddedError) as error:
        fail(str(error), 1)


@app.command()
def demo(*, lifeline: Lifeline = False) -> None:
    """Submit the films batch to a running service, and follow it over three transports at once."""
    settings = _child_settings(lifeline=lifeline)
    from polling_api import demo as demonstration

    demonstration.run(settings)


@app.command()
def audit(
    *,
    client: Annotated[str | None, typer.Option(help="Only what concerns this client.")] = None,
    action: Annotated[str | None, typer.Option(help="`results.read`, or a kind, as `token` or `refused`.")] = None,
    since: Annotated[str, typer.Option(help="How far back: 90s, 30m, 24h, 7d, 2w.")] = "24h",
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, an entry a line.")] = False,
) -> None:
    """Show what was done by whom, newest first: results read, tokens and keys made or ended, and what was refused."""
    from polling_api.commands.audit import Asked, period, show
    from polling_api.commands.reach import look

    try:
        within = period(since)
    except ValueError as error:
        fail(f"--since: {error}")
    asked = Asked(client_id=client, action=action, within=within, limit=limit)
    look(lambda engine: show(engine, asked, as_json=as_json))


@app.command()
def sign(
    method: Annotated[str, typer.Argument(help="As GET.")],
    url: Annotated[str, typer.Argument(help="The whole address, with its query, as it will be sent.")],
    *,
    body: Annotated[str, typer.Option(help="The body as it will be sent; `@FILE` reads it from a file.")] = "",
    client: Annotated[
        Path | None, typer.Option(help="What `clients create --json` printed; DATA_DIR/demo-client.json else.")
    ] = None,
) -> None:
    """Print the header fields that sign a request (RFC 9421), for `curl -H @-`; good once, for five minutes."""
    from polling_api.commands.sign import BadCredentials, header_lines, kept_in
    from polling_api.demo.client import DEMO_CLIENT
    from polling_api.signing.canonical import CanonicalError

    settings = read_settings()
    try:
        content = Path(body[1:]).read_bytes() if body.startswith("@") else body.encode()
        credentials = kept_in(client or settings.data_dir / DEMO_CLIENT)
        print("\n".join(header_lines(credentials, method, url, content)))  # noqa: T201 - what is asked for
    except OSError as error:
        fail(f"{body[1:]} cannot be read: {error.strerror}.")
    except (BadCredentials, CanonicalError) as error:
        fail(str(error))


@app.command()
def openapi(
    *,
    check: Annotated[bool, typer.Option("--check", help="Only say whether the file is current.")] = False,
    path: Annotated[Path, typer.Option(help="Where the document is kept.")] = Path("openapi.json"),
) -> None:
    """Write the OpenAPI document, or check that the one in the repository is current."""
    from polling_api.app.service import openapi_document

    document = openapi_document()
    if not check:
        path.write_text(document)
    elif not path.exists() or path.read_text() != document:
        fail(f"{path} is not what the service says of itself now. Run `make openapi`, and commit the file.", 1)


@app.command(name="settings")
def show_settings() -> None:
    """Show every setting with its value, unit and reason; secrets are masked."""
    settings = read_settings()
    table = Table(title="Settings, from the environment", title_justify="left", expand=True)
    table.add_column("variable", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("unit")
    table.add_column("reason", ratio=1)
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        style = "bold" if name in settings.model_fields_set else None
        table.add_row(f"POLLING_{name.upper()}", _shown(value), _unit(field), field.description, style=style)
    # Without a terminal no line is cut: the table may be searched.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _shown(value: Any) -> str:
    match value:
        case None | "" | ():
            return "(unset)"
        case SecretStr():
            return logs.MASK
        case tuple():
            return "\n".join(map(_shown, value))  # pyright: ignore[reportUnknownArgumentType]
        case float():
            return f"{value:.10g}"
        case _:
            return logs.mask(str(value))  # an address may hold a password


def _unit(field: FieldInfo) -> str:
    return cast("dict[str, str]", field.json_schema_extra)["unit"]


def _serve(settings: Settings, plan: "Plan") -> None:
    from polling_api.supervisor.errors import StartError
    from polling_api.supervisor.serving import serve as supervise

    try:
        number = supervise(settings, plan)
    except (StartError, EmbeddedError) as error:
        fail(str(error), 1)
    _end_by(number)


def _child_settings(*, lifeline: bool) -> Settings:
    settings = read_settings()
    if lifeline:
        from polling_api.supervisor.lifeline import end_with_parent

        end_with_parent(settings.drain_seconds + LIFELINE_MARGIN)
    return settings


async def _until_signal(work: Coroutine[Any, Any, None]) -> None:
    """Run until it ends, or until SIGINT or SIGTERM cancel it."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def _end_by(number: signal.Signals) -> NoReturn:
    """End as the signal would have ended us, now that all is in order: shells and supervisors go by that."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    sys.exit(128 + number)  # as process 1 of a container: there the default is to ignore it


if __name__ == "__main__":
    app()
