"""Server-Sent Events (WHATWG HTML, section 9.2) of one job: every status in order, the newest progress, the end."""

import asyncio
from typing import Protocol

import structlog
from starlette.types import Message, Scope, Send

from polling_api.api.answers import oldest
from polling_api.api.event_stream import COMMENT, greeting, opening, part, problem_event
from polling_api.api.held import SteppedSend
from polling_api.api.news import MOST_NEWS, News
from polling_api.api.ownership import no_such_job
from polling_api.api.problems import problem_document
from polling_api.errors import Unavailable
from polling_api.representation import Form
from polling_api.watch import StatusWatch, Topic

_log = structlog.get_logger(__name__)


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
        scope: the request.
        send: the server's.
    """

    __slots__ = ("_aside", "_begun", "_ended", "_leaving", "_reading", "_scope", "sending")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
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

    __slots__ = ("_form", "_greeting", "_seen", "_topic", "_watch")

    def __init__(self, watch: StatusWatch, form: Form, scope: Scope, send: Send) -> None:
        super().__init__(scope, send)
        self._watch = watch
        self._form = form
        self._topic: Topic | None = None
        self._seen = 0
        self._greeting = b""  # of a reader's first event, where that is not the stream's beginning

    def begin(self, topic: Topic, seen: int | None) -> None:
        """Send the headers and what the reader has missed.

        Args:
            topic: the job, with a snapshot.
            seen: the version the reader has seen, None for a first visit, which gets the present state alone.
        """
        self._topic = topic
        self._begun = True
        self._seen = seen or 0
        # The first bytes come at once, so that proxies and EventSource know that the stream is open.
        told = COMMENT
        if seen is None and topic.snapshot is not None:
            newest = topic.snapshot
            told, self._seen = greeting() + newest.rendered(self._form).event, newest.job.version
            self._ended = newest.job.terminal or self._leaving
        else:
            self._greeting = greeting()
        ages = oldest(self._watch, [topic])
        self.sending.write(*opening(told, self._scope, last=self._ended, also=ages))
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
        news = self._news(self._topic)
        if news is not None:
            self._seen, self._ended = news.version, news.last
            self.sending.write(self._greeted(news.part) if self._greeting else news.part)
            news.count()
            if self._topic.gone:
                self._catch_up()
        elif self._topic.gone:
            self._finish(problem_event(problem_document(no_such_job(), self._scope)))
        elif self._topic.lacks_after(self._seen):
            self._reading = asyncio.create_task(self._read_past(self._topic))

    def _news(self, topic: Topic) -> News | None:
        """What the reader lacks, as far as it is known here; made once for all who lack the same."""
        if topic.snapshot is None:
            return None
        rendered = topic.snapshot.rendered(self._form)
        news: News | None = rendered.news.get(self._seen)
        if news is None and (missed := topic.since(self._seen)):
            news = News(b"".join(snapshot.rendered(self._form).event for snapshot in missed), rendered.job)
            if len(rendered.news) < MOST_NEWS:
                rendered.news[self._seen] = news
        return news

    def _greeted(self, first: Message) -> Message:
        greeted, self._greeting = self._greeting + first["body"], b""
        return {**first, "body": greeted}

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
