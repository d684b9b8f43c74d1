"""A job that is deleted while somebody is being told of it: everybody learns that, and nobody waits for more."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.moving import Mover
from in_process.nodes import Node
from in_process.sockets import Socket
from polling_api.api.answers import Answer
from polling_api.api.cursors import Cursors
from polling_api.api.many_jobs import NOT_THERE, NOTHING_SEEN, ManyJobsStream
from polling_api.api.ownership import no_such_job
from polling_api.api.problems import problem
from polling_api.api.streaming import EventStream
from polling_api.api.waiting import HeldAnswer
from polling_api.domain.job import Job, Status
from polling_api.representation import Form, Snapshot
from polling_api.store.engine import transaction

SET = "/api/v1/jobs"
CURSOR = Cursors(["made-up-for-tests"]).bound_to("test")


@asynccontextmanager
async def streaming(node: Node, job: Job) -> AsyncGenerator[Socket]:
    """The open stream of one job."""
    socket = Socket()
    stream = stream_of(node, job, socket)
    topic = await node.watch.follow(job.id, stream)
    assert topic
    stream.begin(topic, None)
    yield socket
    stream.end()
    node.watch.unfollow(topic, stream)


def stream_of(node: Node, job: Job, socket: Socket) -> EventStream:
    return EventStream(node.watch, Form(SET), {"path": f"{SET}/{job.id}/events"}, socket.send)


async def delete_rows(engine: AsyncEngine, job: Job) -> None:
    """Delete a job behind the store's back, which would refuse an unfinished one."""
    async with transaction(engine) as connection:
        await connection.execute(text("DELETE FROM transitions WHERE job_id = :id"), {"id": job.id})
        await connection.execute(text("DELETE FROM jobs WHERE id = :id"), {"id": job.id})


async def delete(engine: AsyncEngine, node: Node, job: Job) -> None:
    """Delete a job, and tell everybody."""
    await delete_rows(engine, job)
    await node.hub.publish_gone([job.id])
    await node.hub.flushed()


async def test_its_stream_ends_with_a_problem(node: Node, mover: Mover, engine: AsyncEngine) -> None:
    job = await mover.stored()
    async with streaming(node, job) as socket:
        await delete(engine, node, job)

        await socket.end()

    assert [event.event for event in socket.events] == ["job", "problem"]
    assert socket.events[-1].job["code"] == "job_not_found"
    assert socket.events[-1].id == "1"  # a reconnect sends it, and gets the 404


async def test_a_slow_reader_is_told_the_end_before(node: Node, mover: Mover, engine: AsyncEngine) -> None:
    job = await mover.stored()
    async with streaming(node, job) as socket:
        socket.fill()
        present = await mover.commit([job], Status.SUBMITTING)
        await node.hub.publish(present)
        await node.hub.publish(await mover.commit(present, Status.SUCCEEDED))
        await delete(engine, node, job)

        socket.empty()
        await socket.end()

    assert [event.job["status"] for event in socket.events] == ["queued", "submitting", "succeeded"]


async def test_a_reader_whose_past_went_with_the_job_is_told_that_it_is_gone(
    node: Node, mover: Mover, engine: AsyncEngine
) -> None:
    job, socket = await mover.stored(), Socket()
    await mover.commit(await mover.commit([job], Status.SUBMITTING), Status.IN_PROGRESS)
    stream = stream_of(node, job, socket)
    topic = await node.watch.follow(job.id, stream)
    assert topic
    await delete_rows(engine, job)
    node.watch.deleted(job.id)

    stream.begin(topic, 1)

    await socket.end()
    assert [event.event for event in socket.events] == ["problem"]
    stream.end()


async def test_a_wait_is_answered_404(node: Node, mover: Mover, engine: AsyncEngine) -> None:
    job, socket = await mover.stored(), Socket()

    def answer(present: Snapshot | None) -> Answer:
        assert present is None
        return problem(no_such_job(), {"path": f"{SET}/{job.id}"})

    held = HeldAnswer({}, socket.send, reached=lambda present: present.version > 1, answer=answer)
    topic = await node.watch.follow(job.id, held)
    assert topic
    held.begin(topic, 30)

    await delete(engine, node, job)

    await socket.end()
    assert socket.status == 404
    assert orjson.loads(socket.body)["code"] == "job_not_found"
    held.end()


async def test_a_stream_of_many_names_it_and_goes_on_with_the_others(
    node: Node, mover: Mover, engine: AsyncEngine
) -> None:
    gone, stays = sorted(await mover.store(2), key=lambda job: job.id)
    await mover.take()
    socket = Socket()
    stream = ManyJobsStream(node.watch, Form(SET), CURSOR, {"path": f"{SET}/events"}, socket.send)
    topics = await node.watch.follow_all([gone.id, stays.id], stream)
    stream.begin(topics, {gone.id: NOTHING_SEEN, stays.id: NOTHING_SEEN})

    await delete(engine, node, gone)
    await node.hub.publish(await mover.commit([stays], Status.SUCCEEDED))

    await socket.end()
    told = {event.event: event.job for event in socket.events[2:]}
    assert (told["problem"]["id"], told["problem"]["instance"]) == (gone.id, f"{SET}/{gone.id}")
    assert (told["job"]["id"], told["job"]["status"]) == (stays.id, "succeeded")
    assert CURSOR.read(socket.events[-1].id) == [NOT_THERE, 2]
    stream.end()
