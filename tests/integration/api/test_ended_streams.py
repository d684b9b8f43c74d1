"""A stream that is to end, while its reader takes nothing: it ends where it stood."""

from in_process.moving import Mover
from in_process.nodes import Node
from in_process.sockets import Socket
from polling_api.api.streaming import EventStream
from polling_api.domain.job import Status
from polling_api.representation import Form

SET = "/api/v1/jobs"


async def test_a_slow_reader_is_not_told_what_came_after_its_end(node: Node, mover: Mover) -> None:
    job, socket = await mover.stored(), Socket()
    stream = EventStream(node.watch, Form(SET), {"path": f"{SET}/{job.id}/events"}, socket.send)
    topic = await node.watch.follow(job.id, stream)
    assert topic
    stream.begin(topic, None)
    socket.fill()
    present = await mover.commit([job], Status.SUBMITTING)
    await node.hub.publish(present)
    await node.hub.flushed()  # written, and waits for the socket
    stream.drain()
    await node.hub.publish(await mover.commit(present, Status.IN_PROGRESS))
    await node.hub.flushed()

    socket.empty()

    await socket.end()
    stream.end()
    node.watch.unfollow(topic, stream)
    assert [event.job["status"] for event in socket.events] == ["queued", "submitting"]
