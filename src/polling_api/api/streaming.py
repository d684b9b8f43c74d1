"""Server-Sent Events (WHATWG HTML, section 9.2) of one job: every status in order, the newest progress, the end."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Protocol

import structlog
from starlette.types import Message, Scope, Send

from polling_api import metrics
from polling_api.api.answers import oldest
from polling_api.api.event_stream import COMMENT, HEADERS, START, greeting, part, problem_event
from polling_api.api.held import SteppedSend
from polling_api.api.ownership import no_such_job
from polling_api.api.problems import problem_document
from polling_api.errors import Unavailable
from polling_api.representation import Form, Snapshot
from polling_api.watch import StatusWatch, Topic

_log = structlog.get_logger(__name__)


def start(watch: StatusWatch, topics: Iterable[Topic]) -> Message:
    """The head of a stream that begins with the states of some jobs; says so where they may be old."""
    ages = oldest(watch, topics)
    return {**START, "headers": [*HEADERS, *ages]} if ages else START


class Stream(Protocol):
    """An open stream, as far as it has to be kept alive."""

    def keep_alive(self) -> None:
        """Write a comment, unless there is something else to be read."""
        ...


class KeepAlive:
    """Writes a comment to every stream each `every` seconds, with one timer for all of them.

    Streams are spread over slots, so that one tick writes to a share of them only.
    """

    def __init__(self, every: float, *, slots: int = 30) -> None:
        self._slots: list[set[Stream]] = [set() for _ in range(slots)]
        self._tick = every / slots
        self._next = 0

    def add(self, stream: Stream) -> int:
        """Begin to keep a stream alive; its first comment comes a whole round from now.

        Returns:
            The slot, for `discard`.
        """
        slot = self._next - 1
        self._slots[slot].add(stream)
        return slot

    def discard(self, stream: Stream, slot: int) -> None:
        """Stop keeping a stream alive."""
        self._slots[slot].discard(stream)

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            await asyncio.sleep(self._tick)
            for stream in tuple(self._slots[self._next]):
                stream.keep_alive()
            self._next = (self._next + 1) % len(self._slots)


class OpenStream:
    """What streams of one job and of many have in common: they are kept alive, and end in good order.

    Args:
        send: the server's.
    """

    __slots__ = ("_aside", "_begun", "_ended", "_leaving", "_reading", "sending")

    def __init__(self, send: Send) -> None:
        self.sending = SteppedSend(send, ready=self._catch_up)
        self._reading: asyncio.Task[None] | None = None
        self._aside = b""
        self._begun = False
        self._leaving = False
        self._ended = False

    def keep_alive(self) -> None:
        """Write a comment, unless the reader is slow and has bytes waiting anyway."""
        if self._begun and not (self._ended or self.sending.busy):
            self.sending.write(part(COMMENT))

    def tell(self, event: bytes) -> None:
        """Write an event that is about no job, as soon as the reader takes it."""
        self._aside += event
        self._catch_up()

    def drain(self) -> None:
        """End after what is being written; the reader resumes elsewhere by the last id it has."""
        self._leaving = True
        self._catch_up()

    def set_back(self, topic: Topic) -> None:  # noqa: ARG002 - the stream ends, of however many jobs it is
        """End: on one stream no version goes back. Who resumes by a version that is lost is shown the present one."""
        self.drain()

    def end(self) -> None:
        """Free every task that still works for the reader."""
        self._ended = True
        self.sending.abandon()
        if self._reading is not None:
            self._reading.cancel()

    def _catch_up(self) -> None:
        """Bring the reader up to date, or leave it to the write or read that is under way to call this again."""
        raise NotImplementedError


class EventStream(OpenStream):
    """One open stream. The version its reader has seen is all it remembers; the topic has the rest.

    Args:
        watch: reads statuses that this process does not know.
        form: how the job is rendered.
        scope: the request.
        send: the server's.
    """

    __slots__ = ("_form", "_greeting", "_scope", "_seen", "_topic", "_watch")

    def __init__(self, watch: StatusWatch, form: Form, scope: Scope, send: Send) -> None:
        super().__init__(send)
        self._watch = watch
        self._form = form
        self._scope = scope
        self._topic: Topic | None = None
        self._seen = 0
        self._greeting = b""

    def begin(self, topic: Topic, seen: int | None) -> None:
        """Send the headers and what the reader has missed.

        Args:
            topic: the job, with a snapshot.
            seen: the version the reader has seen, None for a first visit, which gets the present state alone.
        """
        self._topic = topic
        self._begun = True
        self._greeting = greeting()
        if seen is None and topic.snapshot is not None:
            self._push((topic.snapshot,), start(self._watch, [topic]))
            return
        self._seen = seen or 0
        # The first bytes come at once, so that proxies and EventSource know that the stream is open.
        self.sending.write(start(self._watch, [topic]), part(COMMENT))
        self._catch_up()

    def changed(self, topic: Topic) -> None:
        """Write what is new. Before `begin` it is too early: `begin` looks again."""
        if self._topic is topic:
            self._catch_up()

    def _catch_up(self) -> None:
        """Bring the reader up to date, or leave it to the write or read that is under way to call this again.

        A slow reader's missed progress is never queued: after its write it gets the statuses since, and the newest.
        """
        if self._topic is None or self._ended or self.sending.busy or self._reading:
            return
        if self._aside:
            self.sending.write(part(self._aside))
            self._aside = b""
            if self.sending.busy:
                return
        if self._leaving:
            # Before anything new: whoever reads slowly must not learn what happened after its token had ended.
            self._finish()
            return
        missed = self._topic.since(self._seen)
        if missed:
            self._push(missed)
            if self._topic.gone:
                self._catch_up()
        elif self._topic.gone:
            self._finish(problem_event(problem_document(no_such_job(), self._scope)))
        elif missed is None:
            self._reading = asyncio.create_task(self._read_past(self._topic))

    def _push(self, snapshots: Sequence[Snapshot], *before: Message) -> None:
        body = self._greeting + b"".join(snapshot.rendered(self._form).event for snapshot in snapshots)
        self._greeting = b""
        newest = snapshots[-1].job
        self._seen = newest.version
        self._ended = newest.terminal or self._leaving
        self.sending.write(*before, part(body, last=self._ended))
        if not before:
            delay = time.time() - newest.updated_at.timestamp()
            metrics.COMMIT_TO_SOCKET.labels("stream").observe(max(0.0, delay))

    def _finish(self, farewell: bytes = b"") -> None:
        self._ended = True
        self.sending.write(part(farewell, last=True))

    async def _read_past(self, topic: Topic) -> None:
        try:
            await self._watch.complete(topic)
        except Unavailable as error:
            if not topic.gone:  # a deleted job has no past
                _log.warning("stream ends, its past cannot be read", job_id=topic.job_id, reason=error.detail)
            self._leaving = True
        finally:
            self._reading = None
        self._catch_up()
