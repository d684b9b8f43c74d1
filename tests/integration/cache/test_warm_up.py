"""What is unfinished is there before anybody asks: in memory at start, and in Redis whenever that was emptied."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.caching import CachingNode, any_job, caching_node, kept, statuses_in, until_kept
from in_process.carriers import RedisCarrier
from in_process.deadlines import eventually
from in_process.moving import Mover
from in_process.nodes import NO_COMPARISON
from in_process.sources import statements_of
from polling_api.cache import CACHE_CIRCUIT, StatusCache
from polling_api.domain.job import Job, Status
from polling_api.monitor.ledger import Ledger, nothing
from polling_api.resilience.breaker import Breaker
from polling_api.store import walk
from polling_api.store.source import PrimarySource
from polling_api.watch import Bounds, WarmUp
from polling_api.watch.warm_up import LOOK_EVERY, PAGE

UNFINISHED = PAGE + 50  # more than a page
ROOM = 100


@pytest.fixture(scope="module")
async def jobs(engine: AsyncEngine) -> list[Job]:
    """All unfinished jobs of the database, which are nobody's to move, and a finished one."""
    mover = Mover(engine)
    ended = await mover.stored()
    await mover.commit([ended], Status.SUCCEEDED)
    return await mover.store(UNFINISHED)


@pytest.fixture(autouse=True)
async def emptied(redis: RedisCarrier) -> None:
    async with redis.client() as plain:
        await plain.flushall()


class ReturningSource:
    """A primary that is away the first time it is asked."""

    def __init__(self, away: AsyncEngine, there: AsyncEngine) -> None:
        self._away = PrimarySource(away)
        self.there = PrimarySource(there)
        self.refused = 0

    async def unfinished(self, *, after: walk.Stop | None, limit: int) -> walk.Page:
        if self.refused == 0:
            self.refused += 1
            return await self._away.unfinished(after=after, limit=limit)
        return await self.there.unfinished(after=after, limit=limit)


@asynccontextmanager
async def warming(
    engine: AsyncEngine,
    redis: RedisCarrier,
    *,
    most: int = UNFINISHED,
    bounds: Bounds = NO_COMPARISON,
    look_every: float = LOOK_EVERY,
) -> AsyncGenerator[CachingNode]:
    """A node that has just started."""
    source = PrimarySource(engine)
    async with caching_node(source, redis, bounds=bounds) as node:
        warm_up = WarmUp(source, node.watch, node.cache, most=most, look_every=look_every)
        node.hub.join(warm_up)
        task = asyncio.create_task(warm_up.run())
        try:
            yield node
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def all_kept(redis: RedisCarrier, jobs: list[Job]) -> None:
    """Return when Redis keeps all of them."""
    await until_kept(redis, [job.id for job in jobs])


async def test_a_process_that_starts_has_all_that_is_unfinished(
    engine: AsyncEngine, redis: RedisCarrier, jobs: list[Job]
) -> None:
    async with warming(engine, redis) as node:
        await eventually(lambda: len(node.watch) == UNFINISHED)

        with statements_of(engine) as statements:
            found = [await node.watch.get(job.id) for job in jobs]

        assert statements == []
        assert [snapshot and snapshot.job for snapshot in found] == jobs


async def test_an_empty_redis_is_filled_by_one_of_those_who_start(
    engine: AsyncEngine, redis: RedisCarrier, jobs: list[Job]
) -> None:
    with statements_of(engine) as statements:
        async with warming(engine, redis, most=0), warming(engine, redis, most=0):
            await all_kept(redis, jobs)

    assert len(statements) == 2  # pages, of one process


async def test_no_more_is_read_into_memory_than_there_is_room_for(
    engine: AsyncEngine, redis: RedisCarrier, jobs: list[Job]
) -> None:
    small = Bounds(compare_every=600, compare_when_deaf=600, oldest_answer=601, snapshots=ROOM)
    async with warming(engine, redis, bounds=small) as node:
        await node.watch.get(jobs[0].id)
        await all_kept(redis, jobs)

        assert len(node.watch) == ROOM
        assert node.watch.live(jobs[0].id)


async def test_a_redis_that_was_emptied_without_a_word_is_filled_again(
    engine: AsyncEngine, redis: RedisCarrier, jobs: list[Job]
) -> None:
    async with warming(engine, redis, most=0, look_every=0.05):
        await all_kept(redis, jobs)

        async with redis.client() as plain:
            await plain.flushall()

        await all_kept(redis, jobs)


async def test_a_redis_that_was_restarted_is_filled_as_soon_as_it_is_heard(
    engine: AsyncEngine, redis: RedisCarrier, jobs: list[Job]
) -> None:
    async with warming(engine, redis, most=0) as node:
        await all_kept(redis, jobs)

        await redis.go_down()
        await redis.come_back()

        await all_kept(redis, jobs)
        await eventually(lambda: node.hub.listening)


async def test_a_warm_up_begins_when_the_primary_is_there(
    nowhere: AsyncEngine, engine: AsyncEngine, redis: RedisCarrier, jobs: list[Job]
) -> None:
    source = ReturningSource(nowhere, engine)
    async with caching_node(source.there, redis) as node:
        warm_up = asyncio.create_task(WarmUp(source, node.watch, node.cache, most=0, ask_again_after=0.05).run())

        await all_kept(redis, jobs)

        assert source.refused == 1
        warm_up.cancel()
        await asyncio.gather(warm_up, return_exceptions=True)


async def test_the_walk_comes_to_every_unfinished_job_and_ends(engine: AsyncEngine, jobs: list[Job]) -> None:
    found: list[str] = []
    stop: walk.Stop | None = None
    while True:
        page = await walk.unfinished(engine, after=stop, limit=60)
        found += [job.id for job in page.jobs]
        stop = page.stop
        if stop is None:
            break

    assert sorted(found) == sorted(job.id for job in jobs)


@pytest.fixture
async def monitored(redis: RedisCarrier, engine: AsyncEngine) -> AsyncIterator[CachingNode]:
    async with caching_node(PrimarySource(engine), redis) as node:
        yield node


async def test_a_sweep_renews_what_it_begins_with_in_one_command_for_many(
    engine: AsyncEngine, redis: RedisCarrier, jobs: list[Job], monitored: CachingNode
) -> None:
    """By a monitor's own ledger, which claims what is due."""
    ledger = Ledger(
        engine,
        monitored.hub.publish,
        monitored.cache.offer,
        nothing,
        owner="a monitor",
        lease=1,
        results_keep=60,
        given_back=lambda _: None,
    )
    async with redis.client() as plain:
        before = (await plain.info("commandstats")).get("cmdstat_eval", {"calls": 0})["calls"]
        tenures = await ledger.claim(UNFINISHED)
        await monitored.cache.flushed()
        evals = (await plain.info("commandstats"))["cmdstat_eval"]["calls"] - before

    assert len(tenures) == UNFINISHED
    assert evals <= 2 * 2 + 1  # two batches, each asked about and then written
    for job in jobs[:3]:
        record = await kept(redis, job.id)
        assert record is not None
        assert record[0] == 1


async def test_what_is_never_all_written_is_not_waited_for_for_ever_and_not_told_to_be_filled(
    redis: RedisCarrier,
) -> None:
    cache = StatusCache(statuses_in(redis), Breaker(CACHE_CIRCUIT), flushed_within=0.05)
    assert await cache.claim_filling()
    cache.offer([any_job()], 0.0)  # and nothing runs that would write it

    async with asyncio.timeout(5):
        await cache.filled()

    async with redis.client() as plain:
        assert await plain.get("polling:statuses:filled") == b"no"
    await cache.close()
