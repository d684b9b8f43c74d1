"""What limits cost a poll: CPU time of a worker for one `304`, with and without them, in one run and turn by turn."""

from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import typer
import uvloop
from stand.jobs import quiet_job
from stand.load import load
from stand.service import NO_LIMITS, free_port, program, running_service, until_ready

WORKER = Path(__file__).with_name("stand") / "worker.py"


def main(seconds: float = typer.Option(2.0, help="For each turn."), turns: int = typer.Option(4)) -> None:
    """Measure one worker that limits and one that does not, over the same job."""
    limited, unlimited = uvloop.run(_measure(seconds, turns))
    typer.echo(f"without limits {unlimited:6.1f} µs a poll")
    typer.echo(f"with limits    {limited:6.1f} µs a poll, {limited / unlimited:.2f} times as much")


async def _measure(seconds: float, turns: int) -> tuple[float, float]:
    async with AsyncExitStack() as stack:
        stand = await stack.enter_async_context(running_service({"monitor_interval": "30"}))
        job = await quiet_job(stand.url)
        workers: dict[str, tuple[str, psutil.Process]] = {}
        for kind in ("limited", "unlimited"):
            port = str(free_port())
            settings = {"database_url": stand.database_url, "redis_url": stand.redis_url, "port": port, **NO_LIMITS}
            process = await stack.enter_async_context(program([str(WORKER), kind], settings))
            workers[kind] = (f"http://127.0.0.1:{port}", psutil.Process(process.pid))
            await until_ready(f"http://127.0.0.1:{port}/health/ready")
        costs: dict[str, list[float]] = {kind: [] for kind in workers}
        for _ in range(turns):
            for kind, (url, worker) in workers.items():
                measured = await load(worker, url, job.path, f"If-None-Match: {job.etag}", seconds=seconds)
                costs[kind].append(measured.microseconds)
    # Whatever else the machine does makes a turn dearer, and none cheaper.
    return min(costs["limited"]), min(costs["unlimited"])


if __name__ == "__main__":
    typer.run(main)
