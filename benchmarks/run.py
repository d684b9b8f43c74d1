"""Runs the programs that compare, prints what they measured as one table, and writes `docs/benchmarks.md`."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import psutil
import typer
from stand.figures import Line, Quick, kept_in, table
from stand.machine import busy, machine, versions

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
WITHIN = 400.0  # seconds for one program; a minute for most, on a machine that does nothing else
ENDED_WITHIN = 60.0  # seconds for one that is told to end, with all that it has started
# Each is a row of the goals, or several, in their order; the other programs measure what only their own page tells.
PROGRAMS = (
    "polls",
    "audit_minute",
    "wire_bytes",
    "open_streams",
    "fan_out",
    "spread_out",
    "wake_waiters",
    "second_node",
    "two_workers",
    "crowd_sizes",
    "sweeping",
    "json_forms",
    "results",
)

HEAD = """# What it costs, measured

Written by `make bench` ({when}{how}). Every line is of one run: what it stands beside was measured in the same
minute, turn by turn, on the same core. A figure is the median of its rounds, with the least and the most; so is a
ratio, of each round's own two. Believe the ratios: the figures are this machine's.

- Machine: {machine}. The server has one core, the load, Postgres and Redis share the rest.
- Busy with other things meanwhile: {busy} of its cores, looked at before each program.
- Versions: {versions}.
- The service: one worker as `polling-api serve` starts it, limits counted but raised, metrics and logs on, Postgres
  durable.
- `raw ASGI` is plain ASGI on the same uvicorn, loop, parser and settings, with as many headers and bytes; `naive` is
  [FastAPI and an ORM](../benchmarks/naive), a `SELECT` a poll; `Nchan` is nginx's module in C; `no HTTP at all` answers
  whatever comes with fixed bytes, and so shows what the load generator can do.
- `must` and `want` are bounds of the ratio, or of the figure where it stands alone.

"""

FOOT = """
What counts do not depend on the machine is held by `make test`, with the budgets in
[`benchmarks/budgets.toml`](../benchmarks/budgets.toml). How each line is measured is told by the programs in
[`benchmarks/`](../benchmarks).
"""


def main(
    only: Annotated[str, typer.Option(help="One program's name, which is run alone, and told of alone.")] = "",
    *,
    quick: Quick = False,
) -> None:
    """Measure."""
    if only:
        raise SystemExit(_run(only, ["--quick"] if quick and only in PROGRAMS else []))
    lines, others, failed = list[Line](), list[float](), list[str]()
    with TemporaryDirectory() as folder:
        for name in PROGRAMS:
            others.append(busy())
            typer.echo(f"{name} …", err=True)
            file = Path(folder) / name
            if _run(name, ["--json", str(file), *(["--quick"] if quick else [])], told=False) == 0:
                lines += kept_in(file)
            else:
                failed.append(name)
    PAGE.write_text(_head(others, quick=quick) + table(lines) + "\n" + FOOT)
    typer.echo(table(lines))
    if failed:
        typer.echo(f"Not measured: {', '.join(failed)}", err=True)
        raise SystemExit(1)


def _run(name: str, arguments: Sequence[str], *, told: bool = True) -> int:
    """Run a program to its end, or until it has taken too long; answers its exit status."""
    command = [sys.executable, str(HERE / f"{name}.py"), *arguments]
    process = subprocess.Popen(command, stdout=None if told else subprocess.DEVNULL)  # noqa: S603 - ours
    try:
        return process.wait(WITHIN)
    except subprocess.TimeoutExpired:
        typer.echo(f"{name} took more than {WITHIN:.0f} s", err=True)
        return 1
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program as Ctrl-C does, so that it ends the servers it has started."""
    if process.poll() is None:
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(ENDED_WITHIN)
        for one in (process, *started):
            with suppress(psutil.NoSuchProcess):
                one.kill()


def _head(others: Sequence[float], *, quick: bool) -> str:
    return HEAD.format(
        when=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        how=", with `QUICK=1`: fewer clients, and no figures to go by" if quick else "",
        machine=machine(),
        busy=f"{min(others):.1f} to {max(others):.1f}",
        versions=", ".join(f"{name} {told}" for name, told in versions().items()),
    )


if __name__ == "__main__":
    typer.run(main)
