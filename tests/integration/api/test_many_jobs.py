"""A stream of many jobs: of each every status in order, none twice, whatever the reader's pace."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.deadlines import eventually
from in_process.losing import lose_all_after
from in_process.moving import Mover
from in_process.nodes import Node
from in_process.sockets import Socket
from polling_api.api.cursors import Cursors
from polling_api.api.many_jobs import NOTHING_SEEN, ManyJobsStream
from polling_api.domain.job import Job, Status
from polling_api.representation import Form

SET = "/api/v1/jobs"
CURSOR = Cursors(["made-up-for-tests"]).bound_to("test")
SCOPE = {"path": f"{SET}/events"}


@asynccontextmanager
async def streaming(
    node: Node, jobs: Sequence[Job], seen: Mapping[str, int] | None = None
) -> AsyncGenerator[tuple[ManyJobsStream, Socket]]:
    """An open stream of these jobs."""
    socket = Socket()
    stream = ManyJobsStream(node.watch, Form(SET), CURSOR, SCOPE, socket.send)
    topics = await node.watch.follow_all([job.id for job in jobs], stream)
    try:
        stream.begin(topics, seen or {job.id: NOTHING_SEEN for job in jobs})
        yield stream, socket
    finally:
        stream.end()
        for topic in topics.values():
            node.watch.unfollow(topic, stream)


async def moved(mover: Mover, node: Node, jobs: Sequence[Job], *course: Status) -> list[Job]:
    """Commit and publish a course, each status of all jobs before the next."""
    present = list(jobs)
    for status in course:
        present = await mover.commit(present, status)
        await node.hub.publish(present)
        await node.hub.flushed()
    return present


def told(socket: Socket, job: Job) -> list[str]:
    return [event.job["status"] for event in socket.events if event.job["id"] == job.id]


async def test_each_job_is_told_to_its_end_and_then_the_stream_ends(node: Node, mover: Mover) -> None:
    jobs = await mover.store(2)
    await mover.take()
    async with streaming(node, jobs) as (_, socket):
        await moved(mover, node, jobs[:1], Status.IN_PROGRESS, Status.SUCCEEDED)
        assert not socket.ended.is_set()

        await moved(mover, node, jobs[1:], Status.SUCCEEDED)

        await socket.end()
        assert told(socket, jobs[0]) == ["queued", "in_progress", "succeeded"]
        assert told(socket, jobs[1]) == ["queued", "succeeded"]


async def test_a_slow_reader_gets_every_status_in_one_write_when_it_reads_on(node: Node, mover: Mover) -> None:
    jobs = await mover.store(2)
    await mover.take()
    async with streaming(node, jobs) as (_, socket):
        socket.fill()
        present = await moved(mover, node, jobs, Status.SUBMITTING, Status.IN_PROGRESS)
        before = socket.writes

        socket.empty()
        await eventually(lambda: told(socket, jobs[1])[-1:] == ["in_progress"])
        assert socket.writes - before == 2  # the one that had to wait, and one for all that came meanwhile

        await moved(mover, node, present, Status.SUCCEEDED)
        await socket.end()
        assert [told(socket, job) for job in jobs] == [["queued", "submitting", "in_progress", "succeeded"]] * 2


async def test_a_reader_who_comes_back_gets_what_this_process_has_not_seen_from_the_primary(
    node: Node, mover: Mover
) -> None:
    job = await mover.stored()
    [latest] = [job]
    for status in (Status.SUBMITTING, Status.IN_PROGRESS, Status.FINALIZING, Status.SUCCEEDED):
        [latest] = await mover.commit([latest], status)

    async with streaming(node, [job], {job.id: 1}) as (_, socket):
        await socket.end()

    assert told(socket, job) == ["submitting", "in_progress", "finalizing", "succeeded"]


async def test_while_one_past_is_read_the_others_go_on(node: Node, mover: Mover) -> None:
    jobs = await mover.store(2)
    await mover.take()
    present = [jobs[0]]
    for status in (Status.SUBMITTING, Status.IN_PROGRESS):
        present = await mover.commit(present, status)

    async with streaming(node, jobs, {jobs[0].id: 1, jobs[1].id: 1}) as (_, socket):
        await moved(mover, node, jobs[1:], Status.SUCCEEDED)
        await moved(mover, node, present, Status.SUCCEEDED)
        await socket.end()

    assert told(socket, jobs[0]) == ["submitting", "in_progress", "succeeded"]
    assert told(socket, jobs[1]) == ["succeeded"]


async def test_on_shutdown_it_ends_and_its_cursor_says_what_was_told(node: Node, mover: Mover) -> None:
    jobs = sorted(await mover.store(2), key=lambda job: job.id)
    await mover.take()
    async with streaming(node, jobs) as (stream, socket):
        await moved(mover, node, jobs[:1], Status.IN_PROGRESS)

        stream.drain()

        await socket.end()
        assert CURSOR.read(socket.events[-1].id) == [2, 1]


async def test_a_slow_reader_is_not_told_what_came_after_its_end(node: Node, mover: Mover) -> None:
    jobs = await mover.store(1)
    await mover.take()
    async with streaming(node, jobs) as (stream, socket):
        socket.fill()
        present = await moved(mover, node, jobs, Status.SUBMITTING)  # written, and waits for the socket
        stream.drain()
        await moved(mover, node, present, Status.IN_PROGRESS)

        socket.empty()

        await socket.end()
        assert told(socket, jobs[0]) == ["queued", "submitting"]


async def test_a_job_that_has_ended_is_followed_no_longer(node: Node, mover: Mover) -> None:
    jobs = await mover.store(2)
    await mover.take()
    async with streaming(node, jobs):
        await moved(mover, node, jobs[:1], Status.SUCCEEDED)
        followed = [node.watch.live(job.id) for job in jobs]

        assert [len(topic.followers) for topic in followed if topic] == [0, 1]


async def test_the_stream_ends_where_a_version_of_one_of_the_jobs_is_lost(
    node: Node, mover: Mover, engine: AsyncEngine
) -> None:
    """Who resumes by a cursor that holds it is told the present state, since the cursor is ahead of it."""
    jobs = await mover.store(2)
    await mover.take()
    [moved_on] = await moved(mover, node, jobs[:1], Status.IN_PROGRESS)
    async with streaming(node, [moved_on, jobs[1]]) as (_, socket):
        await lose_all_after(engine, jobs[0])

        assert await node.watch.at_least(jobs[0].id, moved_on.version + 1)

        await socket.end()
        assert told(socket, moved_on) == ["in_progress"]
