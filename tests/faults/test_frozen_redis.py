"""Redis frozen, killed, and there again, while many clients poll.

`FROZEN_SECONDS=10 FROZEN_CLIENTS=500 pytest -s tests/faults/test_frozen_redis.py` is the long form.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from in_process.carriers import RedisCarrier
from in_process.crowd import Poller, percentile
from polling_api.server import raise_descriptor_limit
from running.asking import asking
from running.jobs import Job, read, submit
from running.service import Service, running_service
from running.visitors import ANYWHERE, code_of, new_address, until_code, visitor

FROZEN = float(os.environ.get("FROZEN_SECONDS", "2.5"))
CLIENTS = int(os.environ.get("FROZEN_CLIENTS", "100"))

HOUR, BURST = 40, 10
POLL_EVERY = 1.2  # seconds: what one caller may ask of one job
# Shorter than it is frozen, so that whoever waited for it would be seen, and longer than a busy machine takes.
PATIENCE = 2.0  # seconds
TOGETHER_WITHIN = 20.0  # seconds; a try a second, each as long as its patience

SETTINGS = {
    "trusted_proxies": "127.0.0.1/32",
    "limit_ip_hour": str(HOUR),
    "limit_job_minute": "60",
    "limit_burst": str(BURST),
    "redis_timeout": str(PATIENCE),
    "log_level": "info",
}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisCarrier]:
    carrier = RedisCarrier(tmp_path / "redis")
    yield carrier
    carrier.stop()


@pytest.fixture
async def service(postgres_url: str, redis: RedisCarrier, tmp_path: Path) -> AsyncIterator[Service]:
    raise_descriptor_limit()
    async with running_service(
        postgres_url, redis.server.url, folder=tmp_path, workers=2, monitor=False, settings=SETTINGS
    ) as running:
        yield running


@pytest.fixture
async def job(service: Service) -> Job:
    async with asking(service.url) as client:
        return await submit(client, None)


class Crowd:
    """Clients of both workers, each from an address of its own, that poll one job now and then."""

    def __init__(self, service: Service, job: Job) -> None:
        workers = cycle(service.worker_urls)
        path = [job["links"]["self"]]
        self._pollers = [Poller(next(workers), path, caller=new_address()) for _ in range(CLIENTS)]

    async def poll(self) -> None:
        """Poll until cancelled.

        Raises:
            AssertionError: one was refused.
        """
        await asyncio.gather(*(self._join(number) for number in range(CLIENTS)))

    @property
    def took(self) -> Sequence[float]:
        """How long each answer took, in seconds."""
        return [one for poller in self._pollers for one in poller.took]

    async def _join(self, number: int) -> None:
        poller = self._pollers[number]
        await asyncio.sleep(number / CLIENTS * POLL_EVERY)
        await poller.connect()
        await poller.poll(3600, POLL_EVERY)


async def asked(client: httpx.AsyncClient, times: int) -> list[str]:
    """The codes of so many calls."""
    return [code_of(await client.get(ANYWHERE)) for _ in range(times)]


async def until_limits(client: httpx.AsyncClient, expected: str) -> None:
    """Ask a worker whether it shares its counts, until the answer is as expected."""
    async with asyncio.timeout(TOGETHER_WITHIN):
        answer = await client.get("/health/ready")
        while answer.json()["parts"]["limits"]["status"] != expected:
            await asyncio.sleep(0.1)
            answer = await client.get("/health/ready")


async def test_nobody_waits_for_it_limits_bite_without_it_and_counts_come_together_after(
    service: Service, redis: RedisCarrier, job: Job
) -> None:
    crowd, address = Crowd(service, job), new_address()
    async with AsyncExitStack() as stack:
        greedy = await stack.enter_async_context(visitor(service.url))
        bursting = await stack.enter_async_context(visitor(service.url))
        here, there = [await stack.enter_async_context(visitor(worker, address)) for worker in service.worker_urls]
        polling = asyncio.create_task(crowd.poll())

        redis.freeze()
        frozen = asyncio.create_task(asyncio.sleep(FROZEN))
        whole = await asked(greedy, HOUR + 1)
        burst = [code_of(await read(bursting, job)) for _ in range(BURST + 1)]
        halves = await asked(here, HOUR // 2) + await asked(there, HOUR // 2)
        await frozen
        for each in (here, there):
            await until_limits(each, "down")
        await redis.go_down()
        dead = await asked(greedy, 1)
        await redis.come_back()
        for each in (here, there):
            await until_limits(each, "ok")
        for each in (here, there):
            await until_code(each, ANYWHERE, "rate_limited")
        polling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await polling

    print(  # noqa: T201 - the figures themselves are asked for
        f"{len(crowd.took)} polls of {CLIENTS} clients while Redis was frozen for {FROZEN:g} s and killed: "
        f"p99 {percentile(crowd.took, 0.99) * 1000:.1f} ms, the slowest {max(crowd.took) * 1000:.0f} ms"
    )
    assert whole == ["not_found"] * HOUR + ["rate_limited"]
    assert burst == [""] * BURST + ["rate_limited"]
    assert halves == ["not_found"] * HOUR
    assert dead == ["rate_limited"]
    assert len(crowd.took) >= CLIENTS
    assert max(crowd.took) < PATIENCE
