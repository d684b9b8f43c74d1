"""Many who try out ids, each of them many: what it costs Postgres, and what it costs others."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.asked_of_postgres import count_statements, statements_asked
from in_process.carriers import RedisCarrier
from in_process.crowd import Guesser, Poller, percentile
from polling_api.domain.job import new_job_id
from running.asking import asking
from running.jobs import SET, submit
from running.service import Service, running_service
from running.visitors import new_address

ADDRESSES, CONNECTIONS = 200, 50
ENOUGH = 20  # different unknown ids, after which an address is shut out: the contract's figure
GUESSES = (30, 10)  # of each address, in the first round and in the second
HONEST = 20
POLL_EVERY = 1.2  # seconds: what one caller may ask of one job
BACKGROUND = 3  # statements a second that a worker asks of its own: comparisons, keys, figures
SLACK = 30  # statements: a pool that fills

SETTINGS = {
    "trusted_proxies": "127.0.0.1/32",
    "limit_ip_hour": "1000",
    "limit_job_minute": "60",
    "limit_burst": "10",
    "block_after": str(ENOUGH),
    "block_seconds": "600",
    "log_level": "warning",
}


@pytest.fixture
async def service(
    postgres_url: str, engine: AsyncEngine, redis: RedisCarrier, tmp_path: Path
) -> AsyncIterator[Service]:
    await count_statements(engine)
    async with running_service(
        postgres_url, redis.server.url, folder=tmp_path, monitor=False, settings=SETTINGS
    ) as running:
        yield running


@pytest.fixture
async def polling(service: Service) -> AsyncIterator[Sequence[Poller]]:
    """Honest clients, each from an address of its own, that poll one job until the test is over."""
    async with asking(service.url) as client:
        job = await submit(client, None)
    pollers = [Poller(service.url, [job["links"]["self"]], caller=new_address()) for _ in range(HONEST)]
    for poller in pollers:
        await poller.connect()
    tasks = [asyncio.create_task(poller.poll(3600, POLL_EVERY)) for poller in pollers]
    yield pollers
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [end for end in ends if not isinstance(end, asyncio.CancelledError)] == []


async def guessed(service: Service, addresses: Sequence[str], each: int) -> Counter[int]:
    """The statuses that so many guesses of each address are answered with."""
    share = len(addresses) // CONNECTIONS
    guessers = [Guesser(service.url, addresses[start : start + share]) for start in range(0, len(addresses), share)]
    paths = [[f"{SET}/{new_job_id()}" for _ in range(share * each)] for _ in guessers]
    await asyncio.gather(*(guesser.ask(own) for guesser, own in zip(guessers, paths, strict=True)))
    return sum((guesser.told for guesser in guessers), Counter[int]())


async def test_each_address_costs_postgres_its_first_twenty_ids_and_others_nothing(
    service: Service, engine: AsyncEngine, polling: Sequence[Poller]
) -> None:
    addresses = [new_address() for _ in range(ADDRESSES)]
    told, asked, lasted = list[Counter[int]](), list[int](), list[float]()
    for each in GUESSES:
        began, before = time.monotonic(), await statements_asked(engine)
        told.append(await guessed(service, addresses, each))
        asked.append(await statements_asked(engine) - before)
        lasted.append(time.monotonic() - began)
    took = [one for poller in polling for one in poller.took]

    print(  # noqa: T201 - the figures themselves are asked for
        f"{ADDRESSES * sum(GUESSES) / sum(lasted):,.0f} ids/s from {ADDRESSES} addresses: {asked[0]} statements for "
        f"the {told[0][404]} that were looked for, {asked[1]} while all were shut out; of {len(took)} honest polls "
        f"none was refused, p99 {percentile(took, 0.99) * 1000:.1f} ms"
    )
    assert told == [
        {404: ADDRESSES * ENOUGH, 429: ADDRESSES * (GUESSES[0] - ENOUGH)},
        {429: ADDRESSES * GUESSES[1]},
    ]
    assert asked[0] <= ADDRESSES * ENOUGH + BACKGROUND * lasted[0] + SLACK
    assert asked[1] <= BACKGROUND * lasted[1] + SLACK
    assert len(took) >= HONEST
