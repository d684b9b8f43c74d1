"""The watch forgets what nobody asks for, and never holds more than it may."""

import asyncio
from collections.abc import Collection

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.carriers import LocalCarrier
from in_process.clocks import Clock
from in_process.deadlines import eventually
from in_process.following import Witness
from in_process.moving import Mover
from in_process.nodes import running_node
from in_process.sources import HeldSource
from polling_api.domain.job import Job, Status, new_job_id
from polling_api.errors import Unavailable
from polling_api.hub import Hub, LocalBus, LocalTransport, Notice
from polling_api.store.source import PrimarySource
from polling_api.watch import Bounds, NoCache, Remark, StatusWatch

FORGETFUL = Bounds(compare_every=0.05, compare_when_deaf=0.05, idle=0.1)


def small_watch(engine: AsyncEngine, snapshots: int) -> StatusWatch:
    return StatusWatch(PrimarySource(engine), Hub(LocalTransport(LocalBus())), Bounds(snapshots=snapshots))


async def test_a_snapshot_that_nobody_asks_for_is_forgotten_and_a_followed_one_is_not(
    engine: AsyncEngine, mover: Mover
) -> None:
    polled, followed = await mover.store(2)
    async with running_node(PrimarySource(engine), LocalCarrier().transport(), FORGETFUL) as node:
        await node.watch.get(polled.id)
        await node.watch.follow(followed.id, Witness())

        await eventually(lambda: len(node.watch) == 1)

        assert node.watch.live(followed.id)


async def test_a_followed_snapshot_is_forgotten_once_it_is_followed_no_longer(
    engine: AsyncEngine, mover: Mover
) -> None:
    [job], witness = await mover.store(), Witness()
    async with running_node(PrimarySource(engine), LocalCarrier().transport(), FORGETFUL) as node:
        topic = await node.watch.follow(job.id, witness)
        assert topic

        node.watch.unfollow(topic, witness)

        await eventually(lambda: len(node.watch) == 0)


async def test_there_are_never_more_snapshots_than_allowed_and_the_longest_unused_go_first(
    engine: AsyncEngine, mover: Mover
) -> None:
    jobs = await mover.store(30)
    watch = small_watch(engine, snapshots=10)
    for job in jobs[:10]:
        await watch.get(job.id)
    await watch.get(jobs[0].id)

    await watch.get(jobs[10].id)

    assert len(watch) == 10
    assert watch.live(jobs[0].id)
    assert watch.live(jobs[1].id) is None
    snapshots = await asyncio.gather(*(watch.get(job.id) for job in jobs))
    assert [snapshot and snapshot.job for snapshot in snapshots] == jobs
    assert len(watch) == 10


async def test_what_is_followed_is_kept_whatever_else_is_asked_for(engine: AsyncEngine, mover: Mover) -> None:
    jobs = await mover.store(20)
    await mover.take()
    watch, witnesses = small_watch(engine, snapshots=5), [Witness() for _ in range(5)]
    for job, witness in zip(jobs, witnesses, strict=False):
        await watch.follow(job.id, witness)

    await asyncio.gather(*(watch.get(job.id) for job in jobs[5:]))
    for changed in await mover.commit(jobs[:5], Status.IN_PROGRESS):
        watch.notice(Notice.of(changed))

    assert [witness.versions for witness in witnesses] == [[1, 2]] * 5


async def test_whoever_asks_for_many_unknown_ids_pushes_out_nobodys_snapshot(engine: AsyncEngine, mover: Mover) -> None:
    jobs = await mover.store(10)
    watch = small_watch(engine, snapshots=10)
    for job in jobs:
        await watch.get(job.id)

    found = await asyncio.gather(*(watch.get(new_job_id()) for _ in range(500)))

    assert set(found) == {None}
    assert all(watch.live(job.id) for job in jobs)
    assert len(watch) == 10


async def test_many_known_ids_that_are_read_once_push_out_nothing_that_is_followed_or_being_read(
    engine: AsyncEngine, mover: Mover
) -> None:
    followed, cold = await mover.store(), await mover.store(300)
    watch, witness = small_watch(engine, snapshots=10), Witness()
    topic = await watch.follow(followed[0].id, witness)

    found = await asyncio.gather(*(watch.get(job.id) for job in cold))

    assert [snapshot and snapshot.job for snapshot in found] == cold
    assert watch.live(followed[0].id) is topic
    assert len(watch) == 10


async def test_what_could_not_be_read_is_not_kept(nowhere: AsyncEngine) -> None:
    watch = small_watch(nowhere, snapshots=10)

    for asking in (watch.get(new_job_id()), watch.follow(new_job_id(), Witness())):
        with pytest.raises(Unavailable):
            await asking

    assert len(watch) == 0


async def test_what_was_published_while_it_was_read_is_kept(engine: AsyncEngine, mover: Mover) -> None:
    """A topic that waits for its first snapshot hears notices too."""
    job = await mover.stored()
    watch, witness = small_watch(engine, snapshots=10), Witness()
    following = asyncio.create_task(watch.follow(job.id, witness))
    await asyncio.sleep(0)

    watch.notice(Notice.of((await mover.commit([job], Status.IN_PROGRESS))[0]))

    topic = await following
    assert topic is not None
    assert witness.versions[-1] == 2
    assert watch.live(job.id) is topic


class Listening(NoCache):
    """A cache that remembers of what it was told that it is still so."""

    def __init__(self) -> None:
        self.renewed: list[str] = []

    def offer(self, jobs: Collection[Job], seen_at: float, *, whole: bool = False) -> None:
        del seen_at
        self.renewed += [job.id for job in jobs if not whole]


async def test_only_what_is_asked_for_again_and_again_is_renewed_for_other_processes(
    engine: AsyncEngine, mover: Mover
) -> None:
    once, often = await mover.store(2)
    cache, source = Listening(), PrimarySource(engine)
    watch = StatusWatch(source, Hub(LocalTransport(LocalBus())), Bounds(compare_when_deaf=0.05), cache=cache)
    await watch.get(once.id)
    comparing = asyncio.create_task(watch.run())

    async with asyncio.timeout(5):
        while len(cache.renewed) < 5:
            await watch.get(often.id)
            await asyncio.sleep(0.01)

    comparing.cancel()
    await asyncio.gather(comparing, return_exceptions=True)
    assert set(cache.renewed) == {often.id}


async def test_without_the_primary_an_end_is_told_for_longer_with_its_age_and_not_for_ever(
    engine: AsyncEngine, nowhere: AsyncEngine, mover: Mover
) -> None:
    clock, source = Clock(), HeldSource(engine)
    bounds = Bounds(oldest_kept=300, oldest_end=1_000)
    watch = StatusWatch(source, Hub(LocalTransport(LocalBus())), bounds, clock=clock)
    running, other = await mover.stored(), await mover.stored()
    [ended] = await mover.commit([other], Status.CANCELLED)
    for job in (running, ended):
        await watch.get(job.id)
    source.use(nowhere)
    watch.lose_contact()

    clock.now += 301
    assert watch.live(running.id) is None
    assert watch.live(ended.id) is not None
    assert watch.remark(ended) == Remark(age=301)
    clock.now += 700
    assert watch.live(ended.id) is None
    with pytest.raises(Unavailable):
        await watch.get(ended.id)
