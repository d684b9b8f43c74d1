"""A cold read goes down the tiers: what another process knows is in Redis, and what nobody knows in Postgres."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.caching import CachingNode, caching_node, kept
from in_process.carriers import RedisCarrier
from in_process.deadlines import eventually
from in_process.following import Witness
from in_process.losing import lose_all_after
from in_process.moving import Mover
from in_process.sources import HeldSource, statements_of
from polling_api import metrics
from polling_api.api.ownership import Ownership
from polling_api.domain.caller import Caller, Scope
from polling_api.domain.job import Job, Status, new_job_id
from polling_api.errors import NotFound, Unavailable
from polling_api.representation import Snapshot
from polling_api.resilience.breaker import State
from polling_api.store import endings
from polling_api.store.source import PrimarySource
from polling_api.watch import Absences, Bounds

DEADLINE = 0.02  # seconds, as in production
STRICT = Bounds(compare_every=600, compare_when_deaf=600)  # which answers with nothing older than 4 s
FREQUENT = Bounds(compare_every=0.1, compare_when_deaf=0.1, oldest_answer=1.0)


@pytest.fixture
async def nodes(engine: AsyncEngine, redis: RedisCarrier) -> AsyncIterator[list[CachingNode]]:
    """Two processes that compare nothing, so that what one knows of the other came from Redis."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(caching_node(PrimarySource(engine), redis)) for _ in range(2)]


def nobody(_job: Job) -> bool:
    """What whoever asks may know of jobs that are another's."""
    return False


def version_of(snapshot: Snapshot | None) -> int:
    assert snapshot is not None
    return snapshot.job.version


def counted(counter: Callable[..., object], *labels: str) -> float:
    """How often something was counted in this process."""
    return counter(*labels)._value.get()  # type: ignore[attr-defined]


async def committed(node: CachingNode, mover: Mover, job: Job, status: Status) -> Job:
    """Commit and publish a version, as a monitor does."""
    seen_at = time.monotonic()
    [changed] = await mover.commit([job], status)
    await node.hub.publish([changed], seen_at)
    await node.hub.flushed()
    return changed


async def test_a_cold_read_in_a_second_process_costs_no_statement(
    nodes: list[CachingNode], mover: Mover, engine: AsyncEngine
) -> None:
    here, there = nodes
    jobs = await mover.store(50, client_id="client_1")
    await asyncio.gather(*(here.watch.get(job.id) for job in jobs))
    await here.cache.flushed()

    with statements_of(engine) as statements:
        found = await asyncio.gather(*(there.watch.get(job.id) for job in jobs))

    assert statements == []
    assert [snapshot and snapshot.job for snapshot in found] == jobs
    assert there.watch.live(jobs[0].id)


async def test_what_was_published_is_known_to_whoever_asks_next(
    nodes: list[CachingNode], mover: Mover, engine: AsyncEngine
) -> None:
    here, there = nodes
    job = await committed(here, mover, await mover.stored(), Status.IN_PROGRESS)

    with statements_of(engine) as statements:
        assert version_of(await there.watch.get(job.id)) == 2

    assert statements == []


async def test_what_was_seen_too_long_ago_is_asked_of_the_primary(
    nodes: list[CachingNode], mover: Mover, engine: AsyncEngine, redis: RedisCarrier
) -> None:
    """The promise is that an answer is at most 4 s behind, whoever is asked and whichever writes were lost."""
    here, _ = nodes
    job = await mover.stored()
    here.cache.offer([job], time.monotonic() - 4.5, whole=True)
    await here.cache.flushed()
    await mover.commit([job], Status.IN_PROGRESS)  # which nobody tells anybody

    async with caching_node(PrimarySource(engine), redis, bounds=STRICT) as late:
        assert version_of(await late.watch.get(job.id)) == 2


async def test_what_is_followed_is_fresh_enough_to_wait_for_the_next_comparison(
    engine: AsyncEngine, redis: RedisCarrier, mover: Mover, nodes: list[CachingNode]
) -> None:
    """Or a change before it was followed, of which every notice was lost, would take up to 7 s to be told."""
    here, _ = nodes
    job = await mover.stored()
    async with caching_node(PrimarySource(engine), redis, bounds=Bounds()) as there:
        here.cache.offer([job], time.monotonic() - 3, whole=True)
        await here.cache.flushed()
        await mover.commit([job], Status.IN_PROGRESS)  # which nobody tells anybody

        polled = version_of(await there.watch.get(job.id))
        topic = await there.watch.follow(job.id, Witness())

    assert topic is not None
    assert (polled, version_of(topic.snapshot)) == (1, 2)


async def test_a_snapshot_from_redis_is_as_old_as_what_was_seen(
    engine: AsyncEngine, redis: RedisCarrier, mover: Mover, nodes: list[CachingNode]
) -> None:
    here, _ = nodes
    job = await mover.stored()
    seen_at = time.monotonic() - 2
    here.cache.offer([job], seen_at, whole=True)
    await here.cache.flushed()

    async with caching_node(PrimarySource(engine), redis) as there:
        await there.watch.get(job.id)
        topic = there.watch.live(job.id)

    assert topic is not None
    assert seen_at - 0.25 < topic.confirmed_at <= seen_at


async def test_whoever_has_seen_more_than_redis_knows_makes_the_primary_be_asked(
    nodes: list[CachingNode], mover: Mover
) -> None:
    here, there = nodes
    job = await mover.stored()
    await here.watch.get(job.id)
    await here.cache.flushed()
    await mover.commit([job], Status.IN_PROGRESS)

    assert version_of(await there.watch.get(job.id)) == 1
    assert version_of(await there.watch.at_least(job.id, 2)) == 2


async def test_a_version_that_redis_knows_does_not_go_back_on_a_newer_one(
    nodes: list[CachingNode], mover: Mover
) -> None:
    here, there = nodes
    first = await mover.stored()
    topic = await there.watch.follow(first.id, Witness())
    second = (await mover.commit([first], Status.IN_PROGRESS))[0]
    there.watch.committed(second)
    here.cache.offer([first], time.monotonic(), whole=True)
    await here.cache.flushed()

    await there.watch.get(first.id, nobody)

    assert topic is not None
    assert version_of(topic.snapshot) == 2


async def test_a_job_that_is_not_the_askers_costs_what_a_missing_one_costs(
    nodes: list[CachingNode], mover: Mover, engine: AsyncEngine
) -> None:
    """Known to nobody but Redis, known here, and missing: each a look into Redis and one of the primary."""
    here, there = nodes
    [theirs] = await mover.store(client_id="client_1")
    await here.watch.get(theirs.id)
    await here.cache.flushed()
    cost: list[tuple[int, float]] = []

    for node, job_id in ((there, theirs.id), (here, theirs.id), (there, new_job_id())):
        looked = counted(metrics.CACHE_READS.labels, "redis")
        with statements_of(engine) as statements:
            await node.watch.get(job_id, nobody)
        cost.append((len(statements), counted(metrics.CACHE_READS.labels, "redis") - looked))

    assert cost == [(1, 1)] * 3


async def test_a_job_that_is_not_the_askers_is_looked_for_together_with_a_missing_one(
    nodes: list[CachingNode], mover: Mover, engine: AsyncEngine
) -> None:
    """Or a call that names both would take longer than one that names two that are missing."""
    here, _ = nodes
    [theirs] = await mover.store(client_id="client_1")
    await here.watch.get(theirs.id)

    ownership = Ownership(here.watch, Absences(time.monotonic), time.monotonic)
    with statements_of(engine) as statements:
        found = await ownership.follow_all(
            Caller("client_2", "key_2"), [theirs.id, new_job_id()], Scope.STATUS, Witness()
        )

    assert len(statements) == 1
    assert not found


async def test_whoever_deleted_a_job_is_not_shown_it_again_though_redis_was_not_told(
    nodes: list[CachingNode], mover: Mover, engine: AsyncEngine, redis: RedisCarrier
) -> None:
    here, _ = nodes
    client = Caller("client_1", "key_1")
    ownership = Ownership(here.watch, Absences(time.monotonic), time.monotonic)
    job = await mover.stored(client_id="client_1")
    ended = await committed(here, mover, job, Status.CANCELLED)
    await endings.delete(engine, ended.id)

    ownership.forget(client, ended.id)

    assert await kept(redis, ended.id) is not None
    with pytest.raises(NotFound):
        await ownership.find(client, ended.id, None)


async def test_a_deleted_job_does_not_come_back_by_a_late_write(
    nodes: list[CachingNode], mover: Mover, engine: AsyncEngine
) -> None:
    here, there = nodes
    seen_at = time.monotonic()
    ended = await committed(here, mover, await mover.stored(), Status.CANCELLED)
    await endings.delete(engine, ended.id)
    await here.hub.publish_gone([ended.id])
    await here.hub.flushed()

    here.cache.offer([ended], seen_at, whole=True)
    await here.cache.flushed()
    await here.hub.publish([ended], seen_at)
    await here.hub.flushed()

    assert await there.watch.get(ended.id) is None


async def test_a_frozen_redis_is_waited_for_until_the_deadline_and_after_some_of_those_not_at_all(
    engine: AsyncEngine, redis: RedisCarrier, mover: Mover
) -> None:
    jobs = await mover.store(40)
    async with caching_node(PrimarySource(engine), redis, deadline=DEADLINE) as node:
        await node.watch.get(jobs[0].id)  # all connections are there
        failed, skipped = (counted(metrics.CACHE_LOOKUPS.labels, outcome) for outcome in ("failed", "skipped"))
        redis.freeze()
        try:
            took = [await seconds_of(node, job) for job in jobs[1:]]
            state = node.circuit.state
        finally:
            redis.thaw()

        failures = int(counted(metrics.CACHE_LOOKUPS.labels, "failed") - failed)
        print(f"frozen: {max(took) * 1000:.0f} ms at most, {min(took) * 1000:.1f} once the circuit was open")  # noqa: T201
        assert 5 <= failures <= 20  # those that it took to open the circuit, and some probes
        assert counted(metrics.CACHE_LOOKUPS.labels, "skipped") - skipped == len(took) - failures
        assert state is not State.CLOSED

        await eventually(lambda: node.circuit.state is State.HALF_OPEN, within=10)
        await eventually(lambda: node.hub.listening)
        await node.watch.get((await mover.store())[0].id)
        assert node.circuit.state is State.CLOSED


async def seconds_of(node: CachingNode, job: Job) -> float:
    began = time.perf_counter()
    assert version_of(await node.watch.get(job.id)) == 1
    return time.perf_counter() - began


async def test_what_is_asked_for_is_renewed_by_each_comparison(
    engine: AsyncEngine, redis: RedisCarrier, mover: Mover
) -> None:
    """So that a process that is asked for it for the first time finds it fresh."""
    asked, forgotten = await mover.store(2)
    async with caching_node(PrimarySource(engine), redis, bounds=FREQUENT, ttl=2) as node:
        await node.watch.get(forgotten.id)

        async with asyncio.timeout(10):
            while await kept(redis, forgotten.id) is not None or await kept(redis, asked.id) is None:
                await node.watch.get(asked.id)
                await asyncio.sleep(0.02)

        record = await kept(redis, asked.id)
    assert record is not None
    assert record[1] > 1_000


async def test_an_emptied_redis_has_again_what_is_asked_for(
    engine: AsyncEngine, redis: RedisCarrier, mover: Mover
) -> None:
    [job] = await mover.store()
    async with caching_node(PrimarySource(engine), redis, bounds=FREQUENT) as node:
        await node.watch.get(job.id)
        await node.cache.flushed()
        async with redis.client() as plain:
            await plain.flushall()

        async with asyncio.timeout(5):
            while await kept(redis, job.id) is None:
                await node.watch.get(job.id)
                await asyncio.sleep(0.02)


async def test_without_the_primary_what_redis_knows_stays_for_answers_that_say_how_old_they_are(
    engine: AsyncEngine, nowhere: AsyncEngine, redis: RedisCarrier, mover: Mover, nodes: list[CachingNode]
) -> None:
    here, _ = nodes
    job = await mover.stored()
    here.cache.offer([job], time.monotonic() - 10, whole=True)
    await here.cache.flushed()
    source = HeldSource(engine)
    source.use(nowhere)

    async with caching_node(source, redis, bounds=STRICT) as there:
        with pytest.raises(Unavailable):
            await there.watch.get(job.id)

        kept, remark = there.watch.live(job.id), there.watch.remark(job)
        assert kept is not None
        assert not there.watch.certain(kept)
        assert remark is not None
        assert remark.age is not None
        assert remark.age >= 10


async def test_a_job_that_is_committed_while_it_is_read_in_vain_is_found(
    engine: AsyncEngine, redis: RedisCarrier, mover: Mover
) -> None:
    source = HeldSource(engine)
    async with caching_node(source, redis) as node:
        source.after_read.close()
        job_id, taken = new_job_id(), counted(metrics.NOTICES.labels, "taken")
        reading = asyncio.create_task(node.watch.get(job_id))
        await source.after_read.reached()

        job = await mover.store_as(job_id)
        await node.hub.publish([job], time.monotonic())
        await eventually(lambda: counted(metrics.NOTICES.labels, "taken") > taken)
        source.after_read.open()

        assert version_of(await reading) == 1


async def test_what_a_failover_lost_gives_way_in_redis_too_though_no_version_is_higher(
    engine: AsyncEngine, redis: RedisCarrier, mover: Mover
) -> None:
    first = await mover.stored()
    async with caching_node(PrimarySource(engine), redis, bounds=FREQUENT) as here:
        second = await committed(here, mover, first, Status.IN_PROGRESS)
        await here.watch.follow(second.id, witness := Witness())
        await here.cache.flushed()
        assert await kept(redis, second.id) is not None

        await lose_all_after(engine, first)
        await eventually(lambda: witness.set_back_to == [1])
        await here.cache.flushed()

        async with caching_node(PrimarySource(engine), redis) as there:
            assert version_of(await there.watch.get(second.id)) == 1


async def test_a_lower_version_in_redis_than_is_known_here_makes_the_primary_be_asked_and_nothing_give_way(
    engine: AsyncEngine, redis: RedisCarrier, mover: Mover
) -> None:
    """Whoever wrote it may have asked before the version came about, or a copy that lags."""
    source, before = HeldSource(engine), counted(metrics.SETBACKS.labels, "version")
    async with caching_node(source, redis, bounds=STRICT) as node:
        first = await mover.stored()
        [second] = await mover.commit([first], Status.IN_PROGRESS)
        topic = await node.watch.follow(second.id, Witness())
        assert topic is not None
        await node.cache.flushed()
        async with redis.client() as plain:
            await plain.flushall()
        node.cache.offer([first], time.monotonic(), whole=True)
        await node.cache.flushed()

        topic.confirmed_at -= 10
        reads = source.reads
        snapshot = await node.watch.get(second.id)

    assert version_of(snapshot) == 2
    assert source.reads == reads + 1
    assert counted(metrics.SETBACKS.labels, "version") == before
