"""Readers of one job, over the transports: who polls, who waits, who has a stream open."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Final

from starlette.types import Message

from model.node import ANYBODY, Node
from polling_api.api.answers import Answer
from polling_api.api.streaming import EventStream
from polling_api.api.waiting import HeldAnswer
from polling_api.domain.caller import Scope
from polling_api.domain.job import Job
from polling_api.errors import NotFound, Unavailable
from polling_api.representation import Form, Snapshot

if TYPE_CHECKING:
    from model.world import World
    from polling_api.watch import Topic

FORM: Final = Form("/api/v1/jobs", fields=("version", "terminal"))
WAIT: Final = 30.0  # seconds, the most there is
SCOPE: Final[dict[str, Any]] = {"type": "http", "path": "/", "headers": [], "state": {}}
_ID = re.compile(rb"^id: (\d+)$", re.MULTILINE)


class Socket:
    """A reader's end of a connection.

    Args:
        world: in which.
        slow: whether what is written takes its time to be read.
        read: told of each message when it is read.
    """

    away = False

    def __init__(self, world: "World", reader: "Reader", *, slow: bool) -> None:
        self._world = world
        self._reader = reader
        self._slow = slow
        self._gone: asyncio.Future[None] = world.loop.create_future()

    def error(self, reason: str) -> Exception:
        """See `Server`."""
        return OSError(reason)

    async def send(self, message: Message) -> None:
        """As a server's `send` does, return when the socket takes more."""
        if self._slow and message["type"] == "http.response.body":
            await self._world.wire.call(self, "write", lambda: None, within=inf)
        if not self._gone.done():
            self._reader.reads(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self.hang_up()

    async def receive(self) -> Message:
        """Wait until the connection ends."""
        await self._gone
        return {"type": "http.disconnect"}

    def hang_up(self) -> None:
        """End the connection."""
        if not self._gone.done():
            self._gone.set_result(None)


class Reader:
    """Asks for a job again and again, one node after the other, and remembers what it has seen.

    Args:
        world: in which.
        nodes: to be asked in turn.
        job_id: the job.
        times: how often it asks.
        slow: whether it reads slowly.
        pause: seconds from an answer until it asks again.
        insists: whether it goes on though it has seen the end.
    """

    def __init__(
        self,
        world: "World",
        nodes: Sequence[Node],
        job_id: str,
        times: int = 1,
        *,
        slow: bool = False,
        pause: float = 0.0,
        insists: bool = False,
    ) -> None:
        self.acts = 0
        self.rank = 0
        self.seen = 0
        self.busy = False
        self.socket: Socket | None = None
        self._world = world
        self._nodes = nodes
        self._job_id = job_id
        self._times = times
        self._slow = slow
        self._pause = pause
        self._insists = insists
        self._ended = False
        world.parties.append(self)

    def __str__(self) -> str:
        return f"{type(self).__name__.lower()} at {self._nodes[self.acts % len(self._nodes)]}"

    @property
    def node(self) -> Node:
        """Who was asked last."""
        return self._nodes[(self.acts - 1) % len(self._nodes)]

    @property
    def done(self) -> bool:
        """See `Party`."""
        return not self.busy and (self._ended or self.acts >= self._times)

    @property
    def willing(self) -> bool:
        """See `Party`."""
        return not self.busy and not self.done

    @property
    def next(self) -> Callable[[], object]:
        """See `Party`."""
        return self.act

    def act(self) -> None:
        """Ask."""
        node = self._nodes[self.acts % len(self._nodes)]
        self.acts += 1
        self.busy = True
        node.process.start(self._ask(node))

    def hang_up(self) -> None:
        """Go away, and come again."""
        if self.socket is not None:
            self._times += 1
            self.socket.hang_up()

    def reads(self, message: Message) -> None:
        """Something was written to it."""

    async def _ask(self, node: Node) -> None:
        try:
            await self._read(node)
        except Unavailable:
            await asyncio.sleep(1)
            self._times += 1
        except NotFound:
            self._world.rules.told_missing(node, self._job_id)
            self._ended = True
        else:
            if self._pause and not self._ended:
                await asyncio.sleep(self._pause)
        finally:
            self.socket = None
            self.busy = False

    async def _read(self, node: Node) -> None:
        raise NotImplementedError

    def _show(self, node: Node, job: Job) -> None:
        self._world.rules.shown(node, job, seen=self.seen, marked=node.watch.remark(job) is not None)
        self.seen = job.version
        self._ended = job.terminal and not self._insists


class Poller(Reader):
    """Polls with the validator of what it has seen."""

    async def _read(self, node: Node) -> None:
        snapshot = await node.ownership.find(ANYBODY, self._job_id, None, version=self.seen, kept=True)
        self._show(node, snapshot.job)


class Waiter(Reader):
    """Polls with `wait=30` and the validator of what it has seen."""

    async def _read(self, node: Node) -> None:
        """Do as `api.routes.status` does."""
        snapshot = await node.ownership.find(ANYBODY, self._job_id, None, version=self.seen, kept=True)
        if snapshot.job.version != self.seen:
            self._show(node, snapshot.job)
            return
        self.socket = Socket(self._world, self, slow=self._slow)
        answered: list[Snapshot | None] = []

        def answer(present: Snapshot | None) -> Answer:
            answered.append(present)
            return Answer(200, [])

        held = HeldAnswer({}, self.socket.send, reached=self._reached, answer=answer)
        sleeper = self._world.rules.begins(node, self._job_id, lambda: inf if held.answered else self.seen)
        try:
            topic = await node.watch.follow(self._job_id, held)
            if topic is None:
                raise NotFound("It is not there.")
            try:
                held.begin(topic, WAIT)
                await held.sending.until_gone(self.socket.receive)
            finally:
                held.end()
                node.watch.unfollow(topic, held)
        finally:
            self._world.rules.ends(sleeper)
        for present in answered:
            if present is None:
                raise NotFound("It is gone.")
            if not self._reached(present.job) and node.watch.live(self._job_id) is None:
                raise Unavailable("Nobody can say now whether the job changed.")
            self._show(node, present.job)

    def _reached(self, job: Job) -> bool:
        return job.version != self.seen


class Streamer(Reader):
    """Has a stream open until the job ends, and resumes it by the last id where it breaks."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._resumed = False

    async def _read(self, node: Node) -> None:
        """Do as `api.routes.events` does."""
        self.socket = Socket(self._world, self, slow=self._slow)
        seen = self.seen or None
        stream = EventStream(node.watch, FORM, SCOPE, self.socket.send)
        sleeper = self._world.rules.begins(
            node, self._job_id, lambda: inf if not begun or stream.sending.busy else self.seen
        )
        begun = False
        followed: Mapping[str, Topic] = {}
        try:
            followed = await node.ownership.follow_all(ANYBODY, [self._job_id], Scope.EVENTS, stream)
            if not followed:
                raise NotFound("It is not there.")
            snapshot = await node.watch.at_least(self._job_id, seen or 0)
            if snapshot is None:
                raise NotFound("It is not there.")
            believed = None if seen is not None and seen > snapshot.job.version else seen
            self._resumed = believed is not None
            begun = True
            stream.begin(followed[self._job_id], believed)
            await stream.sending.until_gone(self.socket.receive)
        finally:
            stream.end()
            node.ownership.unfollow_all(followed, stream)
            self._world.rules.ends(sleeper)
        self._times += not self._ended  # it comes again, until it has seen the end

    def reads(self, message: Message) -> None:
        """See `Reader`."""
        body: bytes = message.get("body", b"")
        for version in map(int, _ID.findall(body)):
            if self._resumed:
                self._world.rules.streamed(self.node, self._job_id, version, seen=self.seen)
            self._resumed, self.seen = True, version
        if b"event: problem" in body:
            self._world.rules.told_missing(self.node, self._job_id)
            self._ended = True
        self._ended |= b'"terminal":true' in body
