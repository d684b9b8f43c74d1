"""What it costs that many addresses try out ids, and what honest pollers beside them notice of it.

The addresses are named to the worker as a proxy names them. How many ids a second are reached depends on how much of
the machine is left to this program, and is printed; the rest is of what was reached.
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from statistics import quantiles

import psutil
import typer
import uvloop
from stand.counting import Till
from stand.guessers import Guesser, Honest
from stand.jobs import quiet_job
from stand.service import Stand, running_service

CONNECTIONS = 64
ENOUGH = 20  # different unknown ids, after which an address is shut out
SHUT_OUT_WITHIN = 60.0  # seconds; one, where the machine is free
POLL_EVERY = 1.2  # seconds: what one caller may ask of one job
# The limits as they are by default, and a block that outlasts the run.
SETTINGS = {
    "trusted_proxies": "127.0.0.1/32",
    "limit_ip_hour": "1000",
    "limit_job_minute": "60",
    "limit_burst": "10",
    "block_seconds": "3600",
    "monitor_interval": "30",
}


@dataclass(frozen=True, slots=True)
class Spent:
    """What a stretch of time took: its seconds, CPU seconds of the worker and of the servers, statements."""

    seconds: float
    worker: float
    servers: Sequence[float]
    statements: int


def main(
    rate: int = typer.Option(10_000, min=1, help="Ids a second."),
    addresses: int = typer.Option(200, min=1, max=65_000),
    honest: int = typer.Option(50, min=1, max=1000, help="Pollers beside them, each from an address of its own."),
    seconds: float = typer.Option(10.0, min=3, help="For the honest alone, and for both together."),
) -> None:
    """Measure, and print."""
    uvloop.run(_measure(rate, addresses, honest, seconds))


async def _measure(rate: int, addresses: int, honest: int, seconds: float) -> None:
    async with running_service(SETTINGS) as stand:
        job = await quiet_job(stand.url)
        pollers = [Honest(stand.url, job.path, f"198.51.{number >> 8}.{number & 255}") for number in range(honest)]
        polling = [asyncio.create_task(poller.poll(POLL_EVERY)) for poller in pollers]
        till = Till(stand.database_url)
        await till.open()
        await asyncio.sleep(1)
        servers = f"{'worker':>9}{'Postgres':>10}{'Redis':>8}"
        typer.echo(f"{'':24}{'ids/s':>9}{servers}{'statements/s':>14}{'honest p50, p99':>20}")
        await _phase("honest pollers alone", stand, till, pollers, [], asyncio.sleep(seconds))
        guessers = _guessers(stand.url, rate, addresses)
        guessing = [asyncio.create_task(guesser.guess()) for guesser in guessers]
        shut_out = _all_shut_out(guessers, addresses)
        await _phase("until all are shut out", stand, till, pollers, guessers, shut_out)
        await _phase("all are shut out", stand, till, pollers, guessers, asyncio.sleep(seconds))
        for task in (*guessing, *polling):
            task.cancel()
        await asyncio.gather(*guessing, *polling, return_exceptions=True)
    refused = sum(poller.refused for poller in pollers)
    typer.echo(
        f"{_told(guessers, 404)} guesses were looked for, {_told(guessers, 429)} met a block; of the honest polls "
        f"{refused} were refused"
    )


def _guessers(url: str, rate: int, addresses: int) -> list[Guesser]:
    named = [f"203.0.{number >> 8}.{number & 255}" for number in range(addresses)]
    connections = min(CONNECTIONS, addresses)
    return [Guesser(url, named[start::connections], rate / connections) for start in range(connections)]


def _told(guessers: Sequence[Guesser], status: int) -> int:
    return sum(guesser.told[status] for guesser in guessers)


async def _all_shut_out(guessers: Sequence[Guesser], addresses: int) -> None:
    """Return when each address has had its unknown ids, and a little later, so that a percentile can be told."""
    async with asyncio.timeout(SHUT_OUT_WITHIN):
        while _told(guessers, 404) < ENOUGH * addresses:  # noqa: ASYNC110 - guessers set no event
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)


async def _phase(
    name: str,
    stand: Stand,
    till: Till,
    pollers: Sequence[Honest],
    guessers: Sequence[Guesser],
    lasts: Awaitable[None],
) -> None:
    for poller in pollers:
        poller.took.clear()
    asked = sum(guesser.told.total() for guesser in guessers)
    before = await _spent(stand, till)
    await lasts
    after = await _spent(stand, till)
    lasted = after.seconds - before.seconds
    rate = (sum(guesser.told.total() for guesser in guessers) - asked) / lasted
    postgres, redis = ((now - then) / lasted for now, then in zip(after.servers, before.servers, strict=True))
    statements = (after.statements - before.statements) / lasted
    took = quantiles((one for poller in pollers for one in poller.took), n=100)
    typer.echo(
        f"{name:24}{rate:9,.0f}{(after.worker - before.worker) / lasted:9.0%}{postgres:10.0%}{redis:8.0%}"
        f"{statements:14.1f}{took[49] * 1000:11.1f}, {took[98] * 1000:.1f} ms"
    )


async def _spent(stand: Stand, till: Till) -> Spent:
    statements = await till.statements()
    return Spent(time.perf_counter(), _used(stand.worker), [_used(one) for one in stand.servers], statements)


def _used(process: psutil.Process) -> float:
    """CPU seconds of a process and of those that it started."""
    used = 0.0
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        used += times.user + times.system
    return used


if __name__ == "__main__":
    typer.run(main)
