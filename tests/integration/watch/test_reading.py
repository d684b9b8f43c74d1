"""`get` and `at_least`: what a read costs, and how old its answer may be."""

import asyncio
import time

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.carriers import LocalCarrier
from in_process.clocks import Clock
from in_process.deadlines import eventually
from in_process.moving import Mover
from in_process.nodes import NO_COMPARISON, running_node
from in_process.sources import HeldSource, statements_of
from polling_api.domain.job import Status, new_job_id
from polling_api.errors import Unavailable
from polling_api.hub import Hub, LocalBus, LocalTransport
from polling_api.representation import Snapshot
from polling_api.store.source import PrimarySource
from polling_api.watch import Bounds, StatusWatch
from polling_api.watch.rereads import REREAD_AT_MOST_EVERY


def deaf_hub() -> Hub:
    return Hub(LocalTransport(LocalBus()))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(engine: AsyncEngine, clock: Clock) -> StatusWatch:
    """A watch that hears nothing and compares nothing."""
    return StatusWatch(PrimarySource(engine), deaf_hub(), Bounds(), clock=clock)


def version_of(snapshot: Snapshot | None) -> int:
    assert snapshot is not None
    return snapshot.job.version


async def test_many_readers_of_one_unknown_job_cost_one_statement(
    watch: StatusWatch, mover: Mover, engine: AsyncEngine
) -> None:
    [job] = await mover.store()

    with statements_of(engine) as statements:
        snapshots = await asyncio.gather(*(watch.get(job.id) for _ in range(200)))

    assert len(statements) == 1
    assert len({id(snapshot) for snapshot in snapshots}) == 1
    assert version_of(snapshots[0]) == 1


async def test_readers_of_many_unknown_jobs_share_statements(
    watch: StatusWatch, mover: Mover, engine: AsyncEngine
) -> None:
    jobs = await mover.store(200)

    with statements_of(engine) as statements:
        snapshots = await asyncio.gather(*(watch.get(job.id) for job in jobs))

    assert len(statements) == 1
    assert [snapshot and snapshot.job for snapshot in snapshots] == jobs


async def test_a_known_job_costs_no_statement(watch: StatusWatch, mover: Mover, engine: AsyncEngine) -> None:
    [job] = await mover.store()
    await watch.get(job.id)

    with statements_of(engine) as statements:
        await asyncio.gather(*(watch.get(job.id) for _ in range(200)))
        await watch.at_least(job.id, 1)

    assert statements == []


async def test_a_reader_who_goes_away_takes_the_answer_from_nobody(watch: StatusWatch, mover: Mover) -> None:
    [job] = await mover.store()
    leaving, staying = (asyncio.create_task(watch.get(job.id)) for _ in range(2))
    await asyncio.sleep(0)  # both have asked

    leaving.cancel()

    assert version_of(await staying) == 1


async def test_a_job_that_is_not_there_is_not_kept(watch: StatusWatch) -> None:
    job_id = new_job_id()

    assert await watch.get(job_id) is None
    assert await watch.at_least(job_id, 3) is None
    assert len(watch) == 0


async def test_an_answer_that_may_be_too_old_is_read_again(watch: StatusWatch, mover: Mover, clock: Clock) -> None:
    job = await mover.stored()
    await watch.get(job.id)
    await mover.commit([job], Status.IN_PROGRESS)

    clock.now += 3.9
    assert version_of(await watch.get(job.id)) == 1
    clock.now += 0.2
    assert version_of(await watch.get(job.id)) == 2


async def test_without_the_primary_a_known_job_is_answered_until_it_may_be_too_old(
    nowhere: AsyncEngine, engine: AsyncEngine, mover: Mover, clock: Clock
) -> None:
    [job] = await mover.store()
    source = HeldSource(engine)
    watch = StatusWatch(source, deaf_hub(), Bounds(), clock=clock)
    await watch.get(job.id)
    source.use(nowhere)

    clock.now += 3.9
    assert version_of(await watch.get(job.id)) == 1
    clock.now += 0.2
    with pytest.raises(Unavailable):
        await watch.get(job.id)


async def test_a_notice_for_a_job_that_is_still_being_read_does_not_stand_for_the_primary(
    engine: AsyncEngine, mover: Mover
) -> None:
    """It may be an old one, published again by a monitor that took a job over."""
    job = await mover.stored()
    carrier, source = LocalCarrier(), HeldSource(engine)
    async with running_node(source, carrier.transport(), NO_COMPARISON) as node:
        source.before_read.close()
        reading = asyncio.create_task(node.watch.get(job.id))
        await source.before_read.reached()

        await node.hub.publish([job])
        await node.hub.flushed()

        assert node.watch.live(job.id) is None
        source.before_read.open()
        assert version_of(await reading) == 1


async def test_who_has_seen_more_than_is_known_here_makes_the_primary_be_asked(
    watch: StatusWatch, mover: Mover, engine: AsyncEngine
) -> None:
    job = await mover.stored()
    await watch.get(job.id)
    await mover.commit([job], Status.IN_PROGRESS)

    with statements_of(engine) as statements:
        snapshots = await asyncio.gather(*(watch.at_least(job.id, 2) for _ in range(200)))

    assert {version_of(snapshot) for snapshot in snapshots} == {2}
    assert len(statements) == 1


async def test_who_has_seen_more_is_not_answered_by_a_read_that_began_before(engine: AsyncEngine, mover: Mover) -> None:
    job, source = await mover.stored(), HeldSource(engine)
    watch = StatusWatch(source, deaf_hub(), Bounds())
    await watch.get(job.id)
    source.after_read.close()
    early = asyncio.create_task(watch.at_least(job.id, 1_000))
    await source.after_read.reached()

    await mover.commit([job], Status.IN_PROGRESS)
    late = asyncio.create_task(watch.at_least(job.id, 2))
    await eventually(lambda: source.reads == 3)
    source.after_read.open()

    assert version_of(await late) == 2
    await early


async def test_who_makes_versions_up_causes_one_read_a_second_and_no_wrong_answer(
    engine: AsyncEngine, mover: Mover
) -> None:
    job = await mover.stored()
    watch = StatusWatch(PrimarySource(engine), deaf_hub(), Bounds())
    began = time.monotonic()
    await watch.at_least(job.id, 1_000)
    await mover.commit([job], Status.IN_PROGRESS)

    with statements_of(engine) as statements:
        liars = [asyncio.create_task(watch.at_least(job.id, 1_000)) for _ in range(100)]
        honest = await watch.at_least(job.id, 2)
        answers = await asyncio.gather(*liars)

    assert version_of(honest) == 2
    assert {version_of(answer) for answer in answers} == {2}
    assert len(statements) == 1
    assert REREAD_AT_MOST_EVERY <= time.monotonic() - began < REREAD_AT_MOST_EVERY + 10


async def test_without_the_primary_an_unknown_job_is_unavailable_and_nobody_is_kept(nowhere: AsyncEngine) -> None:
    watch = StatusWatch(PrimarySource(nowhere), deaf_hub(), Bounds())

    with pytest.raises(Unavailable):
        await watch.get(new_job_id())
