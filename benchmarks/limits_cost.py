"""What limits cost: a decision, a round with Redis, and slowapi's decorators on an ordinary route, in one run.

Times are of the processor, and the ratios are what to believe: the machine's speed is in all of them.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import typer
from fastapi import FastAPI, Request, Response
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from slowapi import Limiter
from starlette.types import Message, Scope

from polling_api.api.limits import PARTY, RouteLimiter, party_key
from polling_api.embedded import start_redis
from polling_api.ratelimit import Blocks, Counters, Figures, Reconciler, RedisExchange, Windows, client, nobody
from polling_api.ratelimit.party import Party

FIGURES = Figures(*[10**9] * 9)  # nothing is refused
SOMEBODY = nobody("192.0.2.1", FIGURES)
JOBS = 100
DECLARED = ("1000000000/hour", "1000000000/minute", "1000000000 per 10 second")


class Table:
    """Lines with microseconds, each with its ratio to the first."""

    def __init__(self, title: str) -> None:
        typer.echo(f"\n{title:58}{'µs':>9}{'ratio':>9}")
        self._first = 0.0

    def line(self, name: str, microseconds: float) -> None:
        """Print one."""
        self._first = self._first or microseconds
        typer.echo(f"{name:58}{microseconds:9.2f}{microseconds / self._first:9.2f}")


def main(times: int = typer.Option(50_000, help="Of each measurement.")) -> None:
    """Measure, and print."""
    decisions(times)
    asyncio.run(routes(max(1, times // 10)))
    asyncio.run(rounds())


def each(times: int, work: Callable[[int], object]) -> float:
    """Microseconds of one call."""
    for number in range(min(times, 1000)):
        work(number)
    began = time.process_time()
    for number in range(times):
        work(number)
    return (time.process_time() - began) / times * 1e6


def decisions(times: int) -> None:
    windows, known = Windows(Counters(), FIGURES), client("client_1", FIGURES)
    jobs, now, found = [f"job_{number:032x}" for number in range(JOBS)], time.time(), dict.fromkeys(range(JOBS), 1)
    refusing = Windows(Counters(), Figures())
    flooded = Windows(Counters(), FIGURES)

    def decide(party: Party, number: int) -> object:
        return windows.decide(party, now + number * 1e-5, job=jobs[number % JOBS])

    table = Table("one decision")
    table.line("(a look-up in a dictionary)", each(times, lambda number: found.get(number % JOBS)))
    table.line("three windows", each(times, lambda number: decide(SOMEBODY, number)))
    table.line("one window (a call without a job)", each(times, lambda _: windows.decide(SOMEBODY, now)))
    table.line(
        "three windows, and a 304 that is taken out of the hour",
        each(times, lambda number: windows.settle(decide(known, number), now, free_of_hour=True)),  # pyright: ignore[reportArgumentType]
    )
    table.line("a refusal", each(times, lambda _: refusing.decide(nobody("192.0.2.2", Figures()), now, job="job_1")))
    table.line(
        "a flood of new names, each pushing one out of each window",
        each(max(times, 100_000), lambda number: flooded.decide(nobody(f"10.{number}", FIGURES), now, job="job_1")),
    )


async def routes(times: int) -> None:
    counters = Counters()
    limiter = RouteLimiter(counters, Windows(counters, FIGURES), FIGURES, time.time)
    stock = Limiter(key_func=party_key, headers_enabled=False)
    memory = MemoryStorage()
    stock._storage, stock._limiter = memory, SlidingWindowCounterRateLimiter(memory)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    app = FastAPI()

    @app.get("/plain")
    async def plain(request: Request) -> Response:
        return Response(request.method)

    @app.get("/ours")
    @limiter.of_a_job()
    async def ours(request: Request) -> Response:
        return Response(request.method)

    async def decorated(request: Request) -> Response:
        return Response(request.method)

    limits = cast("Callable[..., Any]", stock.limit)  # pyright: ignore[reportUnknownMemberType]
    app.get("/stock")(limits(";".join(DECLARED))(decorated))

    table = Table("a request through FastAPI")
    for name, path in (
        ("without a limit", "/plain"),
        ("with three limits, as here", "/ours"),
        ("with three limits, slowapi and its memory as they are", "/stock"),
    ):
        table.line(name, await asked(app, path, times))
    memory.timer.join()


async def asked(app: FastAPI, path: str, times: int) -> float:
    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_: Message) -> None:
        pass

    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.1", 1),
        PARTY: SOMEBODY,
    }
    began = time.process_time()
    for _ in range(times):
        await app(dict(scope), receive, send)
    return (time.process_time() - began) / times * 1e6


async def rounds() -> None:
    with TemporaryDirectory() as folder:
        redis = start_redis(Path(folder) / "redis")
        try:
            await measured_rounds(redis.url)
        finally:
            redis.stop()


async def measured_rounds(url: str) -> None:
    counters = Counters()
    windows = Windows(counters, FIGURES)
    reconciler = Reconciler(RedisExchange(url, "benchmark", timeout=1), [counters], Blocks(), time.time)
    await reconciler.round()
    table = Table("a round with Redis, of this process alone")
    for requests in (0, 1, 10, 100, 300):
        for number in range(requests):
            windows.decide(nobody(f"10.{requests}.{number}", FIGURES), time.time(), job="job_1")
        began = time.process_time()
        await reconciler.round()
        table.line(f"{requests} requests of as many callers since the last", (time.process_time() - began) * 1e6)
    await reconciler.close()


if __name__ == "__main__":
    typer.run(main)
