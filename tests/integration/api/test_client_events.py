"""The stream of all of a client's jobs, over HTTP: every status in order, none twice, whatever breaks in between."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.carriers import Carrier, LocalCarrier
from in_process.client_app import MASTER_KEY, SET
from in_process.deadlines import eventually
from in_process.moving import Mover
from in_process.sites import Site, running_site
from polling_api.api.cursors import Cursors
from polling_api.api.places import numbers_of_place
from polling_api.domain.job import Job, Status
from polling_api.domain.places import Horizon, Place
from polling_api.representation import job_document
from polling_api.store.endings import delete
from polling_api.watch.client_feed import MOST_LOGGED
from polling_api.watch.client_feeds import PAGE

EVENT = b"event: job\n"  # counted in the bytes, where there are too many to be parsed again and again
COURSE = (Status.SUBMITTING, Status.IN_PROGRESS, Status.FINALIZING, Status.SUCCEEDED)


@pytest.fixture
def client() -> str:
    return f"client_{uuid4().hex}"


@pytest.fixture
async def site(engine: AsyncEngine) -> AsyncIterator[Site]:
    """Whose comparison makes up for nothing while a test runs."""
    async with running_site(engine, LocalCarrier().transport()) as running:
        yield running


async def moved(mover: Mover, site: Site, jobs: Sequence[Job], *course: Status) -> list[Job]:
    """Commit and publish a course, each status of all jobs before the next."""
    present = list(jobs)
    for status in course:
        present = await mover.commit(present, status)
        await site.publish(present)
    return present


async def test_a_first_visit_gets_each_unfinished_job_oldest_first_and_then_all_that_follows(
    site: Site, mover: Mover, client: str
) -> None:
    first, second, ended = [await mover.stored(client_id=client) for _ in range(3)]
    await mover.commit([ended], Status.FAILED)
    [first] = await mover.commit([first], Status.IN_PROGRESS)
    async with site.visit(client) as visit:
        await visit.told_of(second.id, "queued")
        assert [event.job for event in visit.events] == [job_document(job, SET) for job in (first, second)]

        later = await mover.stored(client_id=client)
        await site.publish([later])
        await moved(mover, site, [first, second, later], Status.FINALIZING, Status.SUCCEEDED)

        for job in (first, second, later):  # of different jobs in whatever order
            await visit.told_of(job.id, "succeeded")
        assert visit.statuses(first.id) == ["in_progress", "finalizing", "succeeded"]
        assert visit.statuses(second.id) == ["queued", "finalizing", "succeeded"]
        assert visit.statuses(later.id) == ["queued", "finalizing", "succeeded"]
        assert visit.statuses(ended.id) == []
        assert {event.event for event in visit.events} == {"job"}


async def test_the_first_bytes_come_at_once_and_retry_in_the_first_events_block(
    site: Site, mover: Mover, client: str
) -> None:
    job = await mover.stored(client_id=client)
    async with site.visit(client) as visit:
        await visit.told_of(job.id, "queued")

        assert visit.body.startswith(b":\n\nretry: ")
        assert 1_000 <= (visit.events[0].retry or 0) <= 5_000
        assert visit.headers["content-type"].startswith("text/event-stream")
        assert (visit.headers["cache-control"], visit.headers["x-accel-buffering"]) == ("no-store", "no")


async def test_a_reconnect_gets_every_status_since_also_of_jobs_that_ended_or_began_meanwhile(
    site: Site, mover: Mover, client: str
) -> None:
    ending, moving = [await mover.stored(client_id=client) for _ in range(2)]
    async with site.visit(client) as visit:
        await visit.told_of(moving.id, "queued")
        [ending] = await moved(mover, site, [ending], Status.IN_PROGRESS)
        await visit.told_of(ending.id, "in_progress")
    seen = visit.events[-1].id

    await mover.commit(await mover.commit([ending], Status.FINALIZING), Status.SUCCEEDED)
    [moving] = await mover.commit([moving], Status.SUBMITTING)
    begun = await mover.stored(client_id=client)
    async with site.visit(client, last_event_id=seen) as again:
        await moved(mover, site, [moving], Status.IN_PROGRESS)

        await again.told_of(moving.id, "in_progress")
        assert again.statuses(ending.id) == ["finalizing", "succeeded"]
        assert again.statuses(moving.id) == ["submitting", "in_progress"]
        assert again.statuses(begun.id) == ["queued"]


@pytest.mark.parametrize("by_query", [False, True], ids=["by the header", "by the query"])
async def test_a_reconnect_that_is_current_gets_a_comment_and_the_next_change(
    site: Site,
    mover: Mover,
    client: str,
    by_query: bool,  # noqa: FBT001
) -> None:
    job = await mover.stored(client_id=client)
    async with site.visit(client) as visit:
        await visit.told_of(job.id, "queued")
    async with site.visit(client, last_event_id=visit.events[-1].id, by_query=by_query) as again:
        assert again.status == 200
        assert again.body == b":\n\n"

        await moved(mover, site, [job], Status.FAILED)
        await again.told_of(job.id, "failed")
        assert again.statuses(job.id) == ["failed"]


async def test_it_can_be_resumed_from_every_one_of_its_events(
    engine: AsyncEngine, mover: Mover, client: str, carrier: Carrier
) -> None:
    async with running_site(engine, carrier.transport()) as site, running_site(engine, carrier.transport()) as other:
        old = await mover.stored(client_id=client)
        async with site.visit(client) as visit:
            await visit.told_of(old.id, "queued")
            jobs = [old, *await mover.store(2, client_id=client)]
            await mover.take()
            await site.publish(jobs)
            present = await moved(mover, site, jobs, *COURSE[:2])
            present = [*await mover.commit(present, COURSE[2])]  # of which the notices are lost
            await moved(mover, site, present, COURSE[3])
            for job in jobs:
                await visit.told_of(job.id, "succeeded")
        told = [(event.job["id"], event.job["version"]) for event in visit.events]
        assert len(told) == 15

        for number, event in enumerate(visit.events):
            async with other.visit(client, last_event_id=event.id) as again:
                last = await mover.stored(client_id=client)
                await other.publish([last])
                await again.told_of(last.id, "queued")
                came = [(one.job["id"], one.job["version"]) for one in again.events if one.job["id"] in dict(told)]
            assert sorted(came) == sorted(told[number + 1 :])
            for job in jobs:
                assert again.versions(job.id) == sorted(again.versions(job.id))


async def test_a_visit_that_broke_off_among_its_pages_goes_on_where_it_was(
    site: Site, engine: AsyncEngine, mover: Mover, client: str
) -> None:
    jobs = sorted(await mover.store(2 * PAGE + 3, client_id=client), key=lambda job: (job.created_at, job.id))
    await mover.take()
    async with site.visit(client) as visit:
        await eventually(lambda: visit.body.count(EVENT) == len(jobs))
    assert [event.job["id"] for event in visit.events] == [job.id for job in jobs]

    await mover.commit(jobs[:1], Status.FAILED)  # seen, and gone on
    await mover.commit(jobs[-1:], Status.FAILED)  # not seen, and ended
    async with (
        running_site(engine, LocalCarrier().transport()) as other,
        other.visit(client, last_event_id=visit.events[PAGE - 2].id) as again,
    ):
        await again.told_of(jobs[-1].id, "failed")
        await again.told_of(jobs[0].id, "failed")
        assert [event.job["id"] for event in again.events[: PAGE + 3]] == [job.id for job in jobs[PAGE - 1 : -1]]
        assert again.versions(jobs[0].id) == [2]
        assert again.versions(jobs[-1].id) == [2]


async def test_a_replay_that_broke_off_among_its_pages_goes_on_where_it_was(
    site: Site, mover: Mover, client: str
) -> None:
    jobs = await mover.store(PAGE, client_id=client)
    await mover.take()
    async with site.visit(client) as visit:
        await eventually(lambda: visit.body.count(EVENT) == len(jobs))
    present = await mover.commit(jobs, Status.SUBMITTING)
    present = await mover.commit(present, Status.IN_PROGRESS)

    seen = visit.events[-1].id
    came: list[tuple[str, int]] = []
    for cut in (30, 120, 40, None):  # within a page, within the next, and so on
        async with site.visit(client, last_event_id=seen) as again:
            wanted = cut or 3 * PAGE - len(came)
            await eventually(lambda again=again, wanted=wanted: again.body.count(EVENT) >= wanted)
            taken = again.events[:cut]
        seen = taken[-1].id
        came += [(event.job["id"], event.job["version"]) for event in taken]
        if cut == 120:
            await mover.commit(present, Status.FAILED)

    assert len(came) == len({*came}) == 3 * PAGE
    for job in jobs:
        assert [version for one, version in came if one == job.id] == [2, 3, 4]


async def test_a_reader_without_any_job_can_resume_all_the_same(site: Site, mover: Mover, client: str) -> None:
    async with site.visit(client) as visit:
        await eventually(lambda: b"id: " in visit.body)
    assert visit.events == []
    seen = visit.body.split(b"id: ")[1].split(b"\n")[0].decode()

    job = await mover.stored(client_id=client)
    await mover.commit([job], Status.FAILED)
    async with site.visit(client, last_event_id=seen) as again:
        await again.told_of(job.id, "failed")
        assert again.statuses(job.id) == ["queued", "failed"]


@pytest.mark.parametrize("kind", ["of another client", "made up", "a version", "altered"])
async def test_a_cursor_that_is_none_of_its_own_is_ignored(site: Site, mover: Mover, client: str, kind: str) -> None:
    job, foreign = await mover.stored(client_id=client), await mover.stored(client_id=f"{client}0")
    async with site.visit(client) as visit, site.visit(f"{client}0") as other:
        await visit.told_of(job.id, "queued")
        await other.told_of(foreign.id, "queued")
    own = visit.events[-1].id
    sent = {"of another client": other.events[-1].id, "made up": "x.y", "a version": "1", "altered": f"A{own[1:]}x"}

    async with site.visit(client, last_event_id=sent[kind]) as again:
        await again.told_of(job.id, "queued")
        assert again.versions(job.id) == [1]


async def test_a_cursor_from_the_future_of_a_database_that_was_set_back_is_ignored(
    site: Site, mover: Mover, client: str
) -> None:
    job = await mover.stored(client_id=client)
    cursor = Cursors([MASTER_KEY]).bound_to("client events", client)
    ahead = cursor.at(numbers_of_place(Place(Horizon(10**12))))

    async with site.visit(client, last_event_id=ahead) as visit:
        await visit.told_of(job.id, "queued")


async def test_a_slow_reader_gets_every_status_and_only_the_newest_progress_in_one_write(
    site: Site, mover: Mover, client: str
) -> None:
    job = await mover.stored(client_id=client)
    async with site.visit(client) as visit:
        await visit.told_of(job.id, "queued")
        [job] = await moved(mover, site, [job], Status.SUBMITTING)
        await visit.told_of(job.id, "submitting")
        visit.fill()
        [job] = await moved(mover, site, [job], Status.IN_PROGRESS)
        before = visit.writes
        for completed in (1, 2, 3):
            [job] = await mover.commit([job], Status.IN_PROGRESS, completed=completed)
            await site.publish([job])
        visit.empty()

        await eventually(lambda: visit.versions(job.id)[-1:] == [6])
        assert visit.versions(job.id) == [1, 2, 3, 6]
        assert visit.writes - before == 2  # the one that had to wait, and one for all that came meanwhile
        await moved(mover, site, [job], Status.SUCCEEDED)
        await visit.told_of(job.id, "succeeded")


async def test_a_slow_reader_of_a_first_visit_has_one_page_read_for_it_and_no_more(
    site: Site, mover: Mover, client: str
) -> None:
    jobs = await mover.store(3 * PAGE, client_id=client)
    async with site.visit(client, full=True) as slow:
        await eventually(lambda: site.source.visited == 1)
        async with site.visit(client) as quick:
            await eventually(lambda: quick.body.count(EVENT) == len(jobs))

        assert site.source.visited == 1 + 3
        slow.empty()
        await eventually(lambda: slow.body.count(EVENT) == len(jobs))
        assert site.source.visited == 3 + 3


async def test_a_reader_who_cannot_take_even_the_statuses_is_closed_and_resumes(
    site: Site, mover: Mover, client: str
) -> None:
    jobs = await mover.store(MOST_LOGGED // 3, client_id=client)
    await mover.take()
    async with site.visit(client) as visit:
        await eventually(lambda: visit.body.count(EVENT) == len(jobs))
        visit.fill()
        await moved(mover, site, jobs, *COURSE)
        async with site.visit(client) as quick:  # joins when all is in the log
            await eventually(lambda: b"id: " in quick.body)
        visit.empty()
        await visit.end()
    seen = visit.events[-1].id

    async with site.visit(client, last_event_id=seen) as again:
        whole = [*visit.events]
        await eventually(lambda: len(whole) + again.body.count(EVENT) >= 5 * len(jobs))
        whole += again.events
    told = [(event.job["id"], event.job["version"]) for event in whole]
    assert sorted(told) == sorted((job.id, version) for job in jobs for version in range(1, 6))
    assert [version for _, version in sorted(told, key=lambda one: one[0])] == [1, 2, 3, 4, 5] * len(jobs)


async def test_an_event_is_encoded_once_for_all_of_a_clients_readers(site: Site, mover: Mover, client: str) -> None:
    job = await mover.stored(client_id=client)
    async with site.visit(client) as first, site.visit(client) as second:
        for visit in (first, second):
            await visit.told_of(job.id, "queued")
        present = await moved(mover, site, [job], Status.SUBMITTING)
        await moved(mover, site, present, Status.FAILED)
        for visit in (first, second):
            await visit.told_of(job.id, "failed")

        assert [event.id for event in first.events[1:]] == [event.id for event in second.events[1:]]


async def test_on_shutdown_it_ends_and_its_cursor_resumes_elsewhere(site: Site, mover: Mover, client: str) -> None:
    job = await mover.stored(client_id=client)
    async with site.visit(client) as visit:
        await visit.told_of(job.id, "queued")

        await site.holding.drain(0.01)

        await visit.end()
    async with site.visit(client) as refused:
        assert refused.status == 503


async def test_it_is_kept_alive_and_frees_everything_when_its_reader_leaves(
    site: Site, mover: Mover, client: str
) -> None:
    job = await mover.stored(client_id=client)
    ticking = asyncio.create_task(site.keep_alive.run())
    async with site.visit(client) as visit:
        await visit.told_of(job.id, "queued")
        before = visit.body.count(b":\n\n")
        await eventually(lambda: visit.body.count(b":\n\n") >= before + 2)
        assert len(site.node.feeds) == 1
    ticking.cancel()

    assert len(site.node.feeds) == 0


async def test_head_has_the_headers_of_a_stream_and_an_end(site: Site, client: str) -> None:
    async with site.visit(client, method="HEAD") as visit:
        await visit.end()

        assert (visit.status, visit.body) == (200, b"")
        assert visit.headers["content-type"].startswith("text/event-stream")


async def test_without_the_primary_it_is_refused_and_says_when_to_come_back(nowhere: AsyncEngine, client: str) -> None:
    async with running_site(nowhere, LocalCarrier().transport()) as site, site.visit(client) as visit:
        await visit.end()

        assert visit.status == 503
        assert visit.headers["content-type"] == "application/problem+json"
        assert int(visit.headers["retry-after"]) >= 1


async def test_a_deleted_job_is_told_no_more_and_the_others_go_on(
    site: Site, engine: AsyncEngine, mover: Mover, client: str
) -> None:
    gone, stays = [await mover.stored(client_id=client) for _ in range(2)]
    async with site.visit(client) as visit:
        await visit.told_of(stays.id, "queued")
        await moved(mover, site, [gone], Status.FAILED)
        await visit.told_of(gone.id, "failed")
    await delete(engine, gone.id)
    await site.node.hub.publish_gone([gone.id])

    async with site.visit(client, last_event_id=visit.events[0].id) as again:
        await moved(mover, site, [stays], Status.FAILED)
        await again.told_of(stays.id, "failed")
        assert {event.job["id"] for event in again.events} == {stays.id}
