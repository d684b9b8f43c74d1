"""A client's log: every status of every job, each job's in order, none twice, whatever becomes of the notices."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.carriers import Carrier, LocalCarrier
from in_process.feeds import FeedNode, HeldReplaySource, LogReader, running_feeds
from in_process.moving import Mover
from in_process.nodes import NO_COMPARISON
from polling_api.domain.job import Job, Status
from polling_api.errors import Unavailable
from polling_api.hub import Notice
from polling_api.store.endings import delete
from polling_api.store.source import PrimarySource
from polling_api.watch import Bounds
from polling_api.watch.client_feed import MOST_BEYOND, MOST_LOGGED
from polling_api.watch.client_feeds import PAGE

QUICKLY = Bounds(compare_every=0.2, compare_when_deaf=0.2)
COURSE = (Status.SUBMITTING, Status.IN_PROGRESS, Status.FINALIZING, Status.SUCCEEDED)


@pytest.fixture
def client() -> str:
    return f"client_{uuid4().hex}"


@pytest.fixture
def source(engine: AsyncEngine) -> HeldReplaySource:
    return HeldReplaySource(PrimarySource(engine))


async def published(node: FeedNode, jobs: Sequence[Job]) -> None:
    await node.hub.publish(jobs)
    await node.hub.flushed()


async def test_every_status_of_every_job_is_told_also_of_those_submitted_later(
    carrier: Carrier, source: HeldReplaySource, mover: Mover, client: str
) -> None:
    reader = LogReader()
    first = await mover.stored(client_id=client)
    async with running_feeds(source, carrier.transport(), NO_COMPARISON) as node:
        await reader.join(node.feeds, client)
        second = await mover.stored(client_id=client)
        await published(node, [second])
        present = [first, second]
        for status in COURSE:
            present = await mover.commit(present, status)
            await published(node, present)

        await reader.told_of(first.id, 5)
        await reader.told_of(second.id, 5)
        assert reader.versions(first.id) == [2, 3, 4, 5]
        assert reader.versions(second.id) == [1, 2, 3, 4, 5]


async def test_what_follows_on_what_was_told_is_told_without_asking_the_primary(
    carrier: Carrier, source: HeldReplaySource, mover: Mover, client: str
) -> None:
    reader = LogReader()
    async with running_feeds(source, carrier.transport(), NO_COMPARISON) as node:
        await reader.join(node.feeds, client)
        job = await mover.stored(client_id=client)
        await published(node, [job])
        await reader.told_of(job.id, 1)
        before = len(source.asked)
        present = [job]
        for status in COURSE:
            present = await mover.commit(present, status)
            await published(node, present)

        await reader.told_of(job.id, 5)
        assert len(source.asked) == before


async def test_the_jobs_of_others_are_not_told_and_nothing_is_asked_for_them(
    carrier: Carrier, source: HeldReplaySource, mover: Mover, client: str
) -> None:
    reader = LogReader()
    async with running_feeds(source, carrier.transport(), NO_COMPARISON) as node:
        await reader.join(node.feeds, client)
        await published(node, await mover.store(2))
        await published(node, await mover.store(2, client_id=f"{client}0"))
        mine = await mover.stored(client_id=client)
        await published(node, [mine])

        await reader.told_of(mine.id, 1)
        assert reader.told == [(mine.id, 1)]
        assert {one for asked in source.asked for one in asked} == {client}


async def test_doubled_and_reordered_notices_are_told_once_and_in_order(
    carrier: Carrier, source: HeldReplaySource, mover: Mover, client: str
) -> None:
    reader = LogReader()
    job = await mover.stored(client_id=client)
    versions = [job]
    for status in COURSE:
        versions += await mover.commit(versions[-1:], status)
    async with running_feeds(source, carrier.transport(), NO_COMPARISON) as node:
        await reader.join(node.feeds, client)
        other = await mover.stored(client_id=client)
        moved = [other]
        for status in COURSE:
            moved += await mover.commit(moved[-1:], status)

        for one in (*versions, *versions[::-1], moved[2], moved[0], moved[4], moved[4], moved[1], moved[3]):
            await published(node, [one])

        await reader.told_of(other.id, 5)
        last = await mover.stored(client_id=client)
        await published(node, [last])
        await reader.told_of(last.id, 1)
        assert reader.told == [*((other.id, number) for number in range(1, 6)), (last.id, 1)]


async def test_a_lost_notice_is_made_up_for_within_the_interval(
    carrier: Carrier, source: HeldReplaySource, mover: Mover, client: str
) -> None:
    reader = LogReader()
    job = await mover.stored(client_id=client)
    async with running_feeds(source, carrier.transport(), QUICKLY) as node:
        await reader.join(node.feeds, client)

        await mover.commit(await mover.commit([job], Status.SUBMITTING), Status.FAILED)

        await reader.told_of(job.id, 3)
        assert reader.versions(job.id) == [2, 3]


async def test_a_notice_that_tells_of_lost_ones_brings_them_at_once(
    carrier: Carrier, source: HeldReplaySource, mover: Mover, client: str
) -> None:
    reader = LogReader()
    async with running_feeds(source, carrier.transport(), NO_COMPARISON) as node:
        await reader.join(node.feeds, client)
        job = await mover.stored(client_id=client)
        await published(node, [job])
        await reader.told_of(job.id, 1)
        present = await mover.commit(await mover.commit([job], Status.SUBMITTING), Status.IN_PROGRESS)

        await published(node, present)

        await reader.told_of(job.id, 3)
        assert reader.versions(job.id) == [1, 2, 3]


async def test_after_a_gap_every_feed_is_compared_at_once(
    carrier: Carrier, source: HeldReplaySource, mover: Mover, client: str
) -> None:
    reader = LogReader()
    job = await mover.stored(client_id=client)
    async with running_feeds(source, carrier.transport(), NO_COMPARISON) as node:
        await reader.join(node.feeds, client)
        await carrier.go_down()
        await mover.commit([job], Status.FAILED)

        await carrier.come_back()

        await reader.told_of(job.id, 2)


async def test_an_open_transaction_keeps_nothing_back_and_is_told_when_it_commits(
    carrier: Carrier, source: HeldReplaySource, mover: Mover, client: str
) -> None:
    reader = LogReader()
    job = await mover.stored(client_id=client)
    late = await mover.stored(client_id=client)
    async with running_feeds(source, carrier.transport(), QUICKLY) as node:
        await reader.join(node.feeds, client)
        written = await mover.write(late, Status.SUBMITTING)
        present = [job]
        for status in COURSE:  # by younger transactions, of which no notice tells
            present = await mover.commit(present, status)
            await reader.told_of(job.id, present[0].version)

        await written.commit()

        await reader.told_of(late.id, 2)
        assert reader.told == [*((job.id, number) for number in range(2, 6)), (late.id, 2)]


async def test_what_is_told_while_the_primary_is_asked_is_not_told_again(
    source: HeldReplaySource, mover: Mover, client: str
) -> None:
    reader = LogReader()
    async with running_feeds(source, LocalCarrier().transport(), NO_COMPARISON) as node:
        feed = await reader.join(node.feeds, client)
        job = await mover.stored(client_id=client)
        await published(node, [job])
        await reader.told_of(job.id, 1)

        source.after_moves.close()
        node.feeds.gap()
        await source.after_moves.reached()  # the answer has been read, and knows nothing of what follows
        present = await mover.commit([job], Status.SUBMITTING)
        await published(node, present)
        await reader.told_of(job.id, 2)
        source.after_moves.open()
        other = LogReader()
        await other.join(node.feeds, client)
        await published(node, await mover.commit(present, Status.FAILED))

        await reader.told_of(job.id, 3)
        assert reader.versions(job.id) == [1, 2, 3]
        assert feed.place
        assert feed.place.beyond == {job.id: 3}


async def test_a_reader_joins_with_what_was_told_beyond_the_horizon_it_joins_at(
    source: HeldReplaySource, mover: Mover, client: str
) -> None:
    first, second = LogReader(), LogReader()
    async with running_feeds(source, LocalCarrier().transport(), NO_COMPARISON) as node:
        await first.join(node.feeds, client)
        job = await mover.stored(client_id=client)
        await published(node, [job])
        await first.told_of(job.id, 1)

        source.after_moves.close()
        joining = asyncio.create_task(second.join(node.feeds, client))
        await source.after_moves.reached()
        await published(node, await mover.commit([job], Status.SUBMITTING))
        await first.told_of(job.id, 2)
        source.after_moves.open()
        await joining

        assert second.told == [(job.id, 2)]


async def test_more_than_fits_into_a_page_is_told_in_order_and_notices_wait_for_it(
    carrier: Carrier, source: HeldReplaySource, mover: Mover, client: str
) -> None:
    reader = LogReader()
    jobs = await mover.store(PAGE, client_id=client)
    await mover.take()
    async with running_feeds(source, carrier.transport(), NO_COMPARISON) as node:
        await reader.join(node.feeds, client)
        present = jobs
        for status in COURSE[:3]:
            present = await mover.commit(present, status)
        source.after_moves.close()
        node.feeds.gap()
        await source.after_moves.reached()

        present = await mover.commit(present, Status.SUCCEEDED)
        await published(node, present)
        source.after_moves.open()

        for job in jobs:
            await reader.told_of(job.id, 5)
        assert [reader.versions(job.id) for job in jobs] == [[2, 3, 4, 5]] * PAGE


async def test_more_jobs_than_a_cursor_names_are_told_and_the_cursor_stays_bounded(
    carrier: Carrier, source: HeldReplaySource, mover: Mover, client: str
) -> None:
    reader = LogReader()
    async with running_feeds(source, carrier.transport(), NO_COMPARISON) as node:
        feed = await reader.join(node.feeds, client)
        jobs = await mover.store(3 * MOST_BEYOND, client_id=client)
        await mover.take()
        await published(node, jobs)
        present = jobs
        for status in COURSE:
            present = await mover.commit(present, status)
            await published(node, present)

        for job in jobs:
            await reader.told_of(job.id, 5)
        assert [reader.versions(job.id) for job in jobs] == [[1, 2, 3, 4, 5]] * len(jobs)
        assert feed.place
        assert len(feed.place.beyond) <= MOST_BEYOND


async def test_a_slow_reader_gets_every_status_and_the_newest_progress(
    carrier: Carrier, source: HeldReplaySource, mover: Mover, client: str
) -> None:
    quick, slow = LogReader(), LogReader()
    async with running_feeds(source, carrier.transport(), NO_COMPARISON) as node:
        await quick.join(node.feeds, client)
        await slow.join(node.feeds, client)
        slow.pause()
        job = await mover.stored(client_id=client)
        await published(node, [job])
        present = await mover.commit([job], Status.IN_PROGRESS)
        await published(node, present)
        for completed in (1, 2, 3):
            present = await mover.commit(present, Status.IN_PROGRESS, completed=completed)
            await published(node, present)
            await quick.told_of(job.id, present[0].version)

        slow.go_on()

        assert quick.versions(job.id) == [1, 2, 3, 4, 5]
        assert slow.versions(job.id) == [1, 2, 5]


async def test_a_reader_who_cannot_take_even_the_statuses_is_cut_off_and_holds_no_more_than_the_bound(
    source: HeldReplaySource, mover: Mover, client: str
) -> None:
    quick, slow = LogReader(), LogReader()
    jobs = await mover.store(MOST_LOGGED // 4 + 1, client_id=client)
    await mover.take()
    async with running_feeds(source, LocalCarrier().transport(), NO_COMPARISON) as node:
        feed = await quick.join(node.feeds, client)
        await slow.join(node.feeds, client)
        slow.pause()
        present = jobs
        for status in COURSE:
            present = await mover.commit(present, status)
            node.feeds.gap()
            for job in jobs:
                await quick.told_of(job.id, present[0].version)

        assert len(feed) <= MOST_LOGGED
        slow.go_on()
        assert slow.cut_off
        assert [quick.versions(job.id) for job in jobs] == [[2, 3, 4, 5]] * len(jobs)


async def test_what_all_have_read_is_not_kept(source: HeldReplaySource, mover: Mover, client: str) -> None:
    reader = LogReader()
    job = await mover.stored(client_id=client)
    async with running_feeds(source, LocalCarrier().transport(), NO_COMPARISON) as node:
        feed = await reader.join(node.feeds, client)
        await mover.commit([job], Status.FAILED)
        node.feeds.gap()
        await reader.told_of(job.id, 2)

        await LogReader().join(node.feeds, client)

        assert len(feed) <= 1


async def test_a_job_that_is_deleted_is_told_no_more(
    carrier: Carrier, source: HeldReplaySource, engine: AsyncEngine, mover: Mover, client: str
) -> None:
    reader = LogReader()
    job, other = await mover.store(2, client_id=client)
    await mover.take()
    async with running_feeds(source, carrier.transport(), NO_COMPARISON) as node:
        await reader.join(node.feeds, client)
        ended = await mover.commit([job], Status.FAILED)
        await delete(engine, job.id)

        await published(node, ended)
        await node.hub.publish_gone([job.id])
        await published(node, await mover.commit([other], Status.FAILED))

        await reader.told_of(other.id, 2)
        assert reader.told == [(other.id, 2)]


async def test_a_client_whom_nobody_follows_any_more_costs_nothing(
    source: HeldReplaySource, mover: Mover, client: str
) -> None:
    reader = LogReader()
    async with running_feeds(source, LocalCarrier().transport(), QUICKLY) as node:
        feed = await reader.join(node.feeds, client)

        node.feeds.unfollow(feed, reader)
        asked = len(source.asked)
        await published(node, await mover.store(1, client_id=client))
        other = LogReader()
        await other.join(node.feeds, f"{client}0")

        assert len(node.feeds) == 1
        assert not any(client in some for some in source.asked[asked:])


async def test_all_clients_are_compared_in_one_statement(source: HeldReplaySource, client: str) -> None:
    async with running_feeds(source, LocalCarrier().transport(), NO_COMPARISON) as node:
        clients = [f"{client}{number:02}" for number in range(40)]
        await asyncio.gather(*(LogReader().join(node.feeds, one) for one in clients))
        before = len(source.asked)

        source.after_moves.close()
        node.feeds.gap()
        await source.after_moves.reached()

        assert source.asked[before:] == [clients]
        source.after_moves.open()


async def test_a_notice_that_cannot_be_read_is_as_good_as_lost(
    source: HeldReplaySource, mover: Mover, client: str
) -> None:
    reader, carrier = LogReader(), LocalCarrier()
    async with running_feeds(source, carrier.transport(), NO_COMPARISON) as node:
        await reader.join(node.feeds, client)
        job = await mover.stored(client_id=client)
        await published(node, [job])
        await reader.told_of(job.id, 1)

        await carrier.say(Notice(job.id, 2, client, b'{"of":"another release"}').encode())
        await published(node, await mover.commit([job], Status.FAILED))

        await reader.told_of(job.id, 2)


async def test_where_the_primary_does_not_answer_nobody_joins_and_it_is_asked_again(
    engine: AsyncEngine, nowhere: AsyncEngine, mover: Mover, client: str
) -> None:
    source, reader = HeldReplaySource(PrimarySource(nowhere)), LogReader()
    async with running_feeds(source, LocalCarrier().transport(), QUICKLY) as node:
        feed = node.feeds.follow(client, reader)
        with pytest.raises(Unavailable):
            await node.feeds.joint(feed)

        source.use(PrimarySource(engine))
        await reader.join(node.feeds, client)
        job = await mover.stored(client_id=client)
        await reader.told_of(job.id, 1)
