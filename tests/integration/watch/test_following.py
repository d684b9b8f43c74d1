"""`follow`: no change is missed between registering and reading, and none is told twice."""

import asyncio
from itertools import count

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.carriers import Carrier, LocalCarrier
from in_process.following import Witness
from in_process.moving import Mover
from in_process.nodes import NO_COMPARISON, Node, running_node
from in_process.sources import HeldSource, statements_of
from polling_api.domain.job import Job, Status, new_job_id
from polling_api.errors import Unavailable
from polling_api.hub import Hub, LocalBus, LocalTransport, Notice
from polling_api.resilience.news_first import FEW, TURN, NewsFirst
from polling_api.store.engine import transaction
from polling_api.store.source import PrimarySource
from polling_api.watch import Bounds, NoCache, StatusWatch, Topic

COURSE = (Status.SUBMITTING, Status.IN_PROGRESS, Status.FINALIZING, Status.SUCCEEDED)
QUICKLY = Bounds(compare_every=0.2, compare_when_deaf=0.2)


def deaf_hub() -> Hub:
    return Hub(LocalTransport(LocalBus()))


async def published(node: Node, jobs: list[Job]) -> None:
    await node.hub.publish(jobs)
    await node.hub.flushed()


async def test_a_follower_is_told_every_version_in_order(carrier: Carrier, engine: AsyncEngine, mover: Mover) -> None:
    job, witness = await mover.stored(), Witness()
    async with running_node(PrimarySource(engine), carrier.transport(), NO_COMPARISON) as node:
        await node.watch.follow(job.id, witness)
        present = [job]
        for status in COURSE:
            present = await mover.commit(present, status)
            await published(node, present)

        await witness.told_of(5)
        assert witness.versions == [1, 2, 3, 4, 5]


async def test_a_change_told_between_registering_and_reading_is_not_missed(
    carrier: Carrier, engine: AsyncEngine, mover: Mover
) -> None:
    job, witness, source = await mover.stored(), Witness(), HeldSource(engine)
    async with running_node(source, carrier.transport(), NO_COMPARISON) as node:
        source.before_read.close()
        following = asyncio.create_task(node.watch.follow(job.id, witness))
        await source.before_read.reached()

        await published(node, await mover.commit([job], Status.SUCCEEDED))

        await witness.told_of(2)  # though the read is not even made
        source.before_read.open()
        topic = await following
        assert topic is not None
        assert present(topic) == 2


async def test_a_read_that_saw_the_state_before_a_change_does_not_undo_it(
    carrier: Carrier, engine: AsyncEngine, mover: Mover
) -> None:
    job, witness, source = await mover.stored(), Witness(), HeldSource(engine)
    async with running_node(source, carrier.transport(), NO_COMPARISON) as node:
        source.after_read.close()
        following = asyncio.create_task(node.watch.follow(job.id, witness))
        await source.after_read.reached()

        await published(node, await mover.commit([job], Status.SUCCEEDED))
        await witness.told_of(2)
        source.after_read.open()

        topic = await following
        assert topic is not None
        assert present(topic) == 2
        assert witness.versions == [2]


async def test_a_notice_that_is_lost_is_made_up_for_within_the_interval(
    carrier: Carrier, engine: AsyncEngine, mover: Mover
) -> None:
    job, witness = await mover.stored(), Witness()
    async with running_node(PrimarySource(engine), carrier.transport(), QUICKLY) as node:
        await node.watch.follow(job.id, witness)

        await mover.commit([job], Status.IN_PROGRESS)  # and its writer dies

        await witness.told_of(2, within=1)


async def test_after_a_gap_everything_is_compared_at_once(carrier: Carrier, engine: AsyncEngine, mover: Mover) -> None:
    job, witness = await mover.stored(), Witness()
    async with running_node(PrimarySource(engine), carrier.transport(), NO_COMPARISON) as node:
        await node.watch.follow(job.id, witness)
        await carrier.go_down()
        await mover.commit([job], Status.IN_PROGRESS)
        assert witness.versions == [1]

        await carrier.come_back()

        await witness.told_of(2)


async def test_all_that_is_watched_is_compared_in_few_statements(engine: AsyncEngine, mover: Mover) -> None:
    jobs, witness = await mover.store(1_200), Witness()
    await mover.take()
    async with running_node(PrimarySource(engine), LocalCarrier().transport(), NO_COMPARISON) as node:
        await asyncio.gather(*(node.watch.get(job.id) for job in jobs))
        await node.watch.follow(jobs[-1].id, witness)
        await mover.commit(jobs[-1:], Status.IN_PROGRESS)

        with statements_of(engine) as statements:
            node.watch.gap()
            await witness.told_of(2)

    assert len(statements) == 2


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b"7", b'"status"', b'{"status":"unheard of"}'])
async def test_a_notice_that_cannot_be_read_is_as_good_as_lost(
    carrier: Carrier, engine: AsyncEngine, mover: Mover, payload: bytes
) -> None:
    job, witness = await mover.stored(), Witness()
    async with running_node(PrimarySource(engine), carrier.transport(), NO_COMPARISON) as node:
        await node.watch.follow(job.id, witness)

        await carrier.say(b"%s 2 %s" % (job.id.encode(), payload))
        await published(node, await mover.commit([job], Status.IN_PROGRESS))

        await witness.told_of(2)
        assert witness.versions == [1, 2]


async def test_a_deleted_job_is_told_as_gone_and_forgotten(engine: AsyncEngine, mover: Mover) -> None:
    job, witness = await mover.stored(), Witness()
    async with running_node(PrimarySource(engine), LocalCarrier().transport(), QUICKLY) as node:
        await node.watch.follow(job.id, witness)

        await _delete(engine, job)

        await witness.told_that_it_is_gone()
        assert await node.watch.get(job.id) is None


async def test_a_notice_that_a_job_is_gone_makes_the_primary_be_asked_at_once(
    carrier: Carrier, engine: AsyncEngine, mover: Mover
) -> None:
    job, witness = await mover.stored(), Witness()
    async with running_node(PrimarySource(engine), carrier.transport(), NO_COMPARISON) as node:
        await node.watch.follow(job.id, witness)
        await _delete(engine, job)

        await node.hub.publish_gone([job.id])

        await witness.told_that_it_is_gone()
        assert len(node.watch) == 0
        assert await node.watch.get(job.id) is None


async def test_a_notice_that_a_job_is_gone_is_not_believed_against_the_primary(
    carrier: Carrier, engine: AsyncEngine, mover: Mover
) -> None:
    job, witness, source = await mover.stored(), Witness(), HeldSource(engine)
    async with running_node(source, carrier.transport(), NO_COMPARISON) as node:
        await node.watch.follow(job.id, witness)
        source.before_read.close()
        await node.hub.publish_gone([job.id])
        await source.before_read.reached()
        source.before_read.open()

        await published(node, await mover.commit([job], Status.IN_PROGRESS))

        await witness.told_of(2)
        assert not witness.gone


async def test_many_notices_that_a_job_is_gone_cause_one_read(engine: AsyncEngine, mover: Mover) -> None:
    job, witness = await mover.stored(), Witness()
    watch = StatusWatch(PrimarySource(engine), deaf_hub(), Bounds())
    await watch.follow(job.id, witness)
    await _delete(engine, job)

    with statements_of(engine) as statements:
        for _ in range(100):
            watch.notice(Notice.gone(job.id))
        await witness.told_that_it_is_gone()

    assert len(statements) == 1


async def test_a_notice_that_a_job_is_gone_is_lost_where_the_primary_does_not_answer(
    nowhere: AsyncEngine, engine: AsyncEngine, mover: Mover
) -> None:
    job, witness, source = await mover.stored(), Witness(), HeldSource(engine)
    async with running_node(source, LocalCarrier().transport(), QUICKLY) as node:
        await node.watch.follow(job.id, witness)
        await _delete(engine, job)
        source.use(nowhere)

        node.watch.notice(Notice.gone(job.id))
        source.use(engine)

        await witness.told_that_it_is_gone()  # by comparison


async def test_a_job_that_is_said_to_be_gone_is_not_shown_where_nobody_can_be_asked_any_more(
    nowhere: AsyncEngine, engine: AsyncEngine, mover: Mover
) -> None:
    """That the primary is away is found out only by asking it about this."""
    job, other, source = await mover.stored(), await mover.stored(), HeldSource(engine)
    watch = StatusWatch(source, deaf_hub(), Bounds())
    await watch.get(job.id)
    source.use(nowhere)

    watch.notice(Notice.gone(job.id))
    with pytest.raises(Unavailable):
        await watch.get(other.id)

    assert watch.live(job.id) is None
    with pytest.raises(Unavailable):
        await watch.get(job.id)


async def test_what_is_told_after_a_job_was_said_to_be_gone_is_as_old_as_anything_may_be(
    nowhere: AsyncEngine, engine: AsyncEngine, mover: Mover
) -> None:
    job, source = await mover.stored(), HeldSource(engine)
    watch = StatusWatch(source, deaf_hub(), Bounds(oldest_kept=200))
    await watch.get(job.id)
    source.use(nowhere)
    watch.lose_contact()

    watch.notice(Notice.gone(job.id))
    [later] = await mover.commit([job], Status.IN_PROGRESS)
    watch.notice(Notice.of(later))

    remark = watch.remark(later)
    assert remark is not None
    assert remark.age == 200


async def test_many_jobs_are_followed_by_one_read(engine: AsyncEngine, mover: Mover) -> None:
    jobs, witness = await mover.store(100), Witness()
    watch = StatusWatch(PrimarySource(engine), deaf_hub(), Bounds())
    unknown = new_job_id()

    with statements_of(engine) as statements:
        topics = await watch.follow_all([*(job.id for job in jobs), unknown], witness)

    assert len(statements) == 1
    assert topics.keys() == {job.id for job in jobs}
    assert all(witness in topic.followers for topic in topics.values())


class ScatteredCache(NoCache):
    """A cache that says of each job a moment later than of the one before that it knows nothing."""

    def __init__(self) -> None:
        self._later = count()

    async def get(self, job_id: str) -> None:
        """Nothing, some turns of the loop from now."""
        del job_id
        for _ in range(3 * next(self._later)):
            await asyncio.sleep(0)


async def test_many_jobs_are_followed_by_one_read_though_the_cache_answers_for_one_after_the_other(
    engine: AsyncEngine, mover: Mover
) -> None:
    jobs, witness = await mover.store(100), Witness()
    watch = StatusWatch(PrimarySource(engine), deaf_hub(), Bounds(), cache=ScatteredCache())

    with statements_of(engine) as statements:
        topics = await watch.follow_all([job.id for job in jobs], witness)

    assert (len(statements), len(topics)) == (1, 100)


async def test_of_many_jobs_none_is_followed_when_the_primary_does_not_answer(
    nowhere: AsyncEngine, mover: Mover
) -> None:
    jobs, witness = await mover.store(3), Witness()
    watch = StatusWatch(PrimarySource(nowhere), deaf_hub(), Bounds())

    with pytest.raises(Unavailable):
        await watch.follow_all([job.id for job in jobs], witness)

    watch.notice(Notice.of(jobs[0]))
    assert witness.versions == []


async def test_an_unknown_job_is_not_followed(engine: AsyncEngine) -> None:
    watch = StatusWatch(PrimarySource(engine), deaf_hub(), Bounds())

    assert await watch.follow(new_job_id(), Witness()) is None
    assert len(watch) == 0


async def test_a_follower_is_freed_when_the_primary_does_not_answer(nowhere: AsyncEngine, mover: Mover) -> None:
    [job], witness = await mover.store(), Witness()
    watch = StatusWatch(PrimarySource(nowhere), deaf_hub(), Bounds())

    with pytest.raises(Unavailable):
        await watch.follow(job.id, witness)

    watch.notice(Notice.of(job))
    assert witness.versions == []


async def test_a_follower_who_goes_away_while_it_reads_is_freed(engine: AsyncEngine, mover: Mover) -> None:
    [job], witness, source = await mover.store(), Witness(), HeldSource(engine)
    watch = StatusWatch(source, deaf_hub(), Bounds())
    source.before_read.close()
    following = asyncio.create_task(watch.follow(job.id, witness))
    await source.before_read.reached()

    following.cancel()
    await asyncio.gather(following, return_exceptions=True)

    watch.notice(Notice.of(job))
    assert witness.versions == []
    source.before_read.open()


async def test_more_followers_than_are_woken_at_once_are_all_woken_and_the_freed_are_not(
    engine: AsyncEngine, mover: Mover
) -> None:
    job = await mover.stored()
    a_turn_later = count(step=TURN).__next__
    watch = StatusWatch(PrimarySource(engine), deaf_hub(), Bounds(), news=NewsFirst(clock=a_turn_later))
    witnesses = [Witness() for _ in range(2 * FEW + 10)]
    topics = [await watch.follow(job.id, witness) for witness in witnesses]

    [changed] = await mover.commit([job], Status.IN_PROGRESS)
    watch.notice(Notice.of(changed))
    waiting = [witness for witness in witnesses if 2 not in witness.versions]
    assert topics[0]
    watch.unfollow(topics[0], waiting[0])

    await asyncio.gather(*(witness.told_of(2) for witness in witnesses if witness is not waiting[0]))
    assert len(waiting) == FEW + 10
    assert 2 not in waiting[0].versions


def present(topic: Topic) -> int:
    assert topic.snapshot is not None
    return topic.snapshot.job.version


async def _delete(engine: AsyncEngine, job: Job) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text("DELETE FROM transitions WHERE job_id = :id"), {"id": job.id})
        await connection.execute(text("DELETE FROM jobs WHERE id = :id"), {"id": job.id})
