"""What an open connection costs a process."""

from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.crowd import idle_streams, spread, until_held
from in_process.moving import Mover
from running.service import Service

JOBS = 50
WARMED_UP, STREAMS = 200, 2_000
MOST_EACH = 12.0  # KiB; plain ASGI on the same server takes 10.3


async def test_an_idle_stream_costs_a_process_no_more_than_12_kib(unmonitored: Service, engine: AsyncEngine) -> None:
    jobs, worker = await Mover(engine).store(JOBS), unmonitored.workers[0]
    async with idle_streams(unmonitored.url, spread(jobs, "/events", WARMED_UP)):  # what is made once is made now
        await until_held(unmonitored.url, "stream", WARMED_UP)
        before = worker.memory()

        async with idle_streams(unmonitored.url, spread(jobs, "/events", STREAMS)):
            await until_held(unmonitored.url, "stream", WARMED_UP + STREAMS)
            each = (worker.memory() - before) / STREAMS / 1024

    print(f"an idle stream costs {each:.1f} KiB")  # noqa: T201 - the figure itself is asked for
    assert 1 < each <= MOST_EACH
