"""The service, plain ASGI and Nchan as places where jobs are followed, and can be moved: measured in the same way."""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import psutil

from polling_api.domain.job import Job
from polling_api.representation import Form, Rendered
from stand.anchors import Anchor, anchor
from stand.mover import Mover, moving
from stand.nchan import nchan
from stand.service import Stand, running_service
from stand.wire import Wire

OURS, RAW, NCHAN, BARE = "ours", "raw ASGI", "Nchan", "no HTTP at all"
SET = "/api/v1/jobs"


@dataclass(frozen=True, slots=True)
class Change:
    """What was told of some topics: the versions, in their order, and when, by `time.perf_counter`."""

    versions: Sequence[int]
    at: float


class Host(Protocol):
    """A server with topics, each named by its number."""

    process: psutil.Process
    url: str

    def stream(self, topic: int) -> str:
        """The path of a topic's stream."""
        ...

    def wait(self, topic: int) -> str:
        """The path on which a topic's next change is waited for."""
        ...

    async def change(self, topics: Sequence[int]) -> Change:
        """Change some topics."""
        ...


@dataclass(slots=True)
class Ours:
    """The service. A change is counted from its commit on."""

    stand: Stand
    mover: Mover
    jobs: list[Job]
    process: psutil.Process = field(init=False)
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.process, self.url = self.stand.worker, self.stand.url

    def stream(self, topic: int) -> str:
        """See `Host`."""
        return f"{SET}/{self.jobs[topic].id}/events"

    def wait(self, topic: int) -> str:
        """See `Host`."""
        return f"{SET}/{self.jobs[topic].id}?wait=30"

    async def change(self, topics: Sequence[int]) -> Change:
        """See `Host`."""
        moved = await self.mover.move([self.jobs[topic] for topic in topics])
        for topic, job in zip(topics, moved.jobs, strict=True):
            self.jobs[topic] = job
        return Change([job.version for job in moved.jobs], moved.at)


@dataclass(slots=True)
class Published:
    """An anchor, to which the bytes of our own events are posted. A change is counted from the post on."""

    process: psutil.Process
    url: str
    job: Job
    kind: str
    wire: Wire
    versions: list[int]

    @classmethod
    async def at(cls, anchor: Anchor, job: Job, topics: int, kind: str = "events") -> "Published":
        """Connect to one, and have each topic told something, since Nchan tells who comes what was told last."""
        here = cls(anchor.process, anchor.url, job, kind, await Wire.to(anchor.url), [0] * topics)
        await here.change(range(topics))
        return here

    def stream(self, topic: int) -> str:
        """See `Host`."""
        return f"/events/{topic}"

    def wait(self, topic: int) -> str:
        """See `Host`."""
        return f"/wait/{topic}"

    async def change(self, topics: Sequence[int]) -> Change:
        """See `Host`."""
        at, host = time.perf_counter(), urlsplit(self.url).netloc
        for topic in topics:
            self.versions[topic] += 1
            body = Rendered(self.job, Form(SET)).body.replace(
                b'"version":%d' % self.job.version, b'"version":%d' % self.versions[topic]
            )
            head = f"POST /publish/{self.kind}/{topic} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
            await self.wire.ask(head.encode() + body)
        return Change([self.versions[topic] for topic in topics], at)


@asynccontextmanager
async def hosts(topics: int, kind: str = "events", *, bare: bool = False) -> AsyncGenerator[Mapping[str, Host]]:
    """Ours and the anchors, each with so many topics, on one core; Nchan only where it is installed.

    Args:
        topics: of each.
        kind: `events` or `wait`.
        bare: whether to have the server without HTTP too, which shows what the load generator can do.
    """
    async with AsyncExitStack() as stack:
        stand = await stack.enter_async_context(running_service({}, monitor=False))
        mover = await stack.enter_async_context(moving(stand))
        jobs = await mover.store(topics)
        anchors = {
            RAW: await stack.enter_async_context(anchor("stand.raw_asgi")),
            NCHAN: await stack.enter_async_context(nchan()),
            BARE: await stack.enter_async_context(anchor("stand.bare")) if bare else None,
        }
        found: dict[str, Host] = {OURS: Ours(stand, mover, jobs)}
        for name, one in anchors.items():
            if one is not None:
                found[name] = await Published.at(one, jobs[0], topics, kind)
        stand.give_a_core(*(host.process for host in found.values()))
        yield found
