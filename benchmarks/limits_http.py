"""What limits cost a poll: CPU time of a worker for one `304`, with and without them, in one run and turn by turn.

Once for one caller and one job, and once for as many callers as there are connections, each polling many jobs: then
hardly any two polls count for the same, and there is the more to share.
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil
import typer
import uvloop
from stand.jobs import Quiet, quiet_job
from stand.load import CONNECTIONS, get, load_of
from stand.service import free_port, program, running_service, until_ready

WORKER = Path(__file__).with_name("stand") / "worker.py"
CALLERS = [f"127.0.0.{number}" for number in range(2, 2 + CONNECTIONS)]


class Cost(NamedTuple):
    """Microseconds of a poll: the least of all turns, and the middle of the turns' ratios."""

    unlimited: float
    limited: float
    ratio: float


class Worker(NamedTuple):
    """One that limits, or does not."""

    url: str
    process: psutil.Process


def main(
    seconds: float = typer.Option(1.0, help="For each turn."),
    turns: int = typer.Option(8),
    jobs: int = typer.Option(50, help="That each of many callers polls."),
) -> None:
    """Measure one worker that limits and one that does not, over the same jobs."""
    one, many = uvloop.run(_measure(seconds, turns, jobs))
    typer.echo(f"{'µs a poll':42}{'without':>9}{'with':>9}{'ratio':>9}{'of turns':>9}")
    for name, cost in (("one caller, one job", one), (f"{len(CALLERS)} callers, {jobs} jobs", many)):
        least = cost.limited / cost.unlimited
        typer.echo(f"{name:42}{cost.unlimited:9.1f}{cost.limited:9.1f}{least:9.2f}{cost.ratio:9.2f}")


async def _measure(seconds: float, turns: int, count: int) -> tuple[Cost, Cost]:
    async with AsyncExitStack() as stack:
        stand = await stack.enter_async_context(running_service({"monitor_interval": "30"}))
        jobs = await asyncio.gather(*(quiet_job(stand.url) for _ in range(count)))
        workers: list[Worker] = []
        for kind in ("unlimited", "limited"):
            port = str(free_port())
            settings = {**stand.settings, "port": port, "log_level": "warning"}
            process = await stack.enter_async_context(program([str(WORKER), kind], settings))
            workers.append(Worker(f"http://127.0.0.1:{port}", psutil.Process(process.pid)))
            await until_ready(f"http://127.0.0.1:{port}/health/ready")
        one = await _cost(workers, jobs[:1], (), seconds, turns)
        return one, await _cost(workers, jobs, CALLERS, seconds, turns)


async def _cost(
    workers: list[Worker], jobs: list[Quiet], callers: list[str] | tuple[()], seconds: float, turns: int
) -> Cost:
    costs: list[list[float]] = [[], []]
    for _ in range(turns):
        for of_worker, worker in zip(costs, workers, strict=True):
            polls = [get(worker.url, job.path, f"If-None-Match: {job.etag}") for job in jobs]
            measured = await load_of(worker.process, worker.url, polls, seconds=seconds, callers=callers)
            of_worker.append(measured.microseconds)
    unlimited, limited = costs
    # Whatever else the machine does makes a turn dearer, and none cheaper.
    ratios = [with_limits / without for without, with_limits in zip(unlimited, limited, strict=True)]
    return Cost(min(unlimited), min(limited), median(ratios))


if __name__ == "__main__":
    typer.run(main)
