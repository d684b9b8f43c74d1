"""Processes that share a status cache, each with what it is made of, in one process."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from in_process.carriers import REDIS_TIMEOUT, RedisCarrier
from in_process.deadlines import eventually
from in_process.nodes import NO_COMPARISON
from polling_api.cache import CACHE_CIRCUIT, Keeping, RedisClock, RedisStatuses, StatusCache
from polling_api.cache.record import key_of
from polling_api.domain.job import Job, Progress, Status, new_job_id
from polling_api.hub import Hub, RedisTransport
from polling_api.resilience.breaker import Breaker
from polling_api.watch import Bounds, Source, StatusWatch

PATIENT = 5.0  # seconds: a machine that is busy with other tests is not a Redis that is away
BEGAN = datetime(2026, 11, 23, 9, tzinfo=UTC)


def any_job(version: int = 1, *, job_id: str | None = None, client_id: str | None = None) -> Job:
    """A job that no database knows."""
    return Job(
        id=job_id or new_job_id(),
        version=version,
        status=Status.IN_PROGRESS,
        status_version=version,
        progress=Progress(total=10, completed=version % 10),
        endpoint="/v1/chat/completions",
        provider="simulator",
        created_at=BEGAN,
        updated_at=BEGAN,
        metadata={"made by": "Ærø ✓"},
        client_id=client_id,
    )


def statuses_in(redis: RedisCarrier, *, ttl: float = 30.0, timeout: float = REDIS_TIMEOUT) -> RedisStatuses:
    """A further process's connection to the cache."""
    return RedisStatuses(redis.server.url, Keeping(ttl, RedisClock()), timeout=timeout)


@dataclass(frozen=True, slots=True)
class CachingNode:
    """What a process of the service is made of, with its cache."""

    hub: Hub
    cache: StatusCache
    circuit: Breaker
    watch: StatusWatch


@asynccontextmanager
async def caching_node(
    source: Source, redis: RedisCarrier, *, bounds: Bounds = NO_COMPARISON, deadline: float = PATIENT, ttl: float = 30.0
) -> AsyncGenerator[CachingNode]:
    """A node that listens and shares what it reads, for as long as the block runs."""
    keeping = Keeping(ttl, RedisClock())
    hub = Hub(RedisTransport(redis.server.url, timeout=REDIS_TIMEOUT, keeping=keeping))
    circuit = Breaker(CACHE_CIRCUIT)
    statuses = RedisStatuses(redis.server.url, keeping, timeout=max(deadline, REDIS_TIMEOUT))
    cache = StatusCache(statuses, circuit, deadline=deadline)
    watch = StatusWatch(source, hub, bounds, cache=cache)
    hub.join(watch)
    tasks = [asyncio.create_task(part()) for part in (hub.run, cache.run, watch.run)]
    try:
        await eventually(lambda: hub.listening)
        yield CachingNode(hub, cache, circuit, watch)
        assert [task for task in tasks if task.done()] == []
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await hub.close()
        await cache.close()


async def kept(redis: RedisCarrier, job_id: str) -> tuple[int, int] | None:
    """The version that Redis keeps of a job, and how many milliseconds it will go on doing so."""
    async with redis.client() as plain:
        record: Any = await plain.get(key_of(job_id))
        life = await plain.pttl(key_of(job_id))
    return (int(record[:20]), life) if record else None


async def until_kept(redis: RedisCarrier, ids: Collection[str]) -> None:
    """Return when Redis keeps something of all of these jobs."""
    async with redis.client() as plain, asyncio.timeout(10):
        while await plain.exists(*map(key_of, ids)) < len(ids):  # noqa: ASYNC110 - a server sets no event
            await asyncio.sleep(0.01)
