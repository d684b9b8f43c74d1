"""Clients of a node, without a socket between: one that waits, and one that reads a stream."""

import asyncio
import time
from dataclasses import dataclass

from starlette.types import Message

from polling_api.api.streaming import EventStream
from polling_api.domain.job import Job
from polling_api.representation import Form
from polling_api.watch import StatusWatch
from running.events import Event, EventParser

FORM = Form("/api/v1/jobs")
PATIENCE = 60.0  # seconds; far beyond every promise, so that a late answer is told from none


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client learnt of a job's end: the versions it was given, and when the last came (epoch)."""

    versions: list[int]
    terminal: bool
    at: float


def ended(job: Job) -> bool:
    """What the waiting clients wait for."""
    return job.terminal


async def wait_for_the_end(watch: StatusWatch, job_id: str) -> Seen:
    """Wait for the end of a job."""
    snapshot = await watch.wait(job_id, ended, PATIENCE)
    assert snapshot is not None
    return Seen([snapshot.job.version], snapshot.job.terminal, time.time())


async def read_to_the_end(watch: StatusWatch, job_id: str) -> Seen:
    """Read a job's stream until the service ends it."""
    body = bytearray()
    complete = asyncio.Event()

    async def send(message: Message) -> None:
        body.extend(message.get("body", b""))
        if message["type"] == "http.response.body" and not message.get("more_body"):
            complete.set()

    stream = EventStream(watch, FORM, {"path": f"{FORM.base}/{job_id}/events"}, send)
    topic = await watch.follow(job_id, stream)
    assert topic is not None
    try:
        stream.begin(topic, None)
        async with asyncio.timeout(PATIENCE):
            await complete.wait()
    finally:
        stream.end()
        watch.unfollow(topic, stream)
    return seen_in(bytes(body))


def seen_in(body: bytes) -> Seen:
    """What the bytes of a stream tell, read just now."""
    events = [item for item in EventParser().feed(body) if isinstance(item, Event)]
    return Seen([event.version for event in events], bool(events[-1].job["terminal"]), time.time())
