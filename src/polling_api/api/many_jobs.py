"""Server-Sent Events of many jobs on one stream: each job's statuses in order, its newest progress, its end."""

import asyncio
import time
from collections.abc import Mapping

import structlog
from starlette.types import Scope, Send

from polling_api import metrics
from polling_api.api.answers import oldest
from polling_api.api.cursors import Cursor
from polling_api.api.event_stream import COMMENT, greeting, opening, part, problem_event
from polling_api.api.ownership import no_such_job
from polling_api.api.problems import problem_document
from polling_api.api.streaming import OpenStream
from polling_api.errors import Unavailable
from polling_api.representation import Form, Snapshot
from polling_api.watch import StatusWatch, Topic

NOTHING_SEEN = 0  # in place of a version, as no job has it: the reader gets the present state
NOT_THERE = -1  # in place of a version: the reader was told that there is no such job

_log = structlog.get_logger(__name__)


class ManyJobsStream(OpenStream):
    """One open stream. What it remembers of each job is the version its reader has seen; the topics have the rest.

    A slow reader costs no more: of each job it gets the statuses since, and the newest version, when it reads on.

    Args:
        watch: reads statuses that this process does not know, and lets go of jobs that have ended.
        form: how jobs are rendered.
        cursor: makes the ids of events, from the versions seen.
        scope: the request.
        send: the server's.
    """

    __slots__ = ("_cursor", "_form", "_greeting", "_news", "_open", "_seen", "_watch")

    def __init__(self, watch: StatusWatch, form: Form, cursor: Cursor, scope: Scope, send: Send) -> None:
        super().__init__(scope, send)
        self._watch = watch
        self._form = form
        self._cursor = cursor
        self._seen: dict[str, int] = {}
        self._open: dict[str, Topic] = {}
        self._news: dict[str, Topic] = {}
        self._greeting = b""

    def begin(self, topics: Mapping[str, Topic], seen: Mapping[str, int]) -> None:
        """Send the headers, and of each job its present state or what the reader has missed.

        Args:
            topics: the jobs that there are, each with a snapshot, in the order in which they are told.
            seen: the version seen of every job that was asked for, in the order of the cursor.
        """
        self._seen = dict(seen)
        self._open = {job_id: topic for job_id, topic in topics.items() if not is_over(topic, seen[job_id])}
        self._news = dict(self._open)
        unknown = [job_id for job_id in seen if job_id not in topics and seen[job_id] != NOT_THERE]
        told = b"".join(map(self._told_gone, unknown)) + self._told_news()
        self._greeting = greeting()
        # The first bytes come at once, so that proxies and EventSource know that the stream is open.
        ages = oldest(self._watch, topics.values())
        self.sending.write(*opening(self._body(told), self._scope, last=self._ended, also=ages))
        self._begun = True
        self._read_on()

    def changed(self, topic: Topic) -> None:
        """Write what is new of one job. Before `begin` it is too early: `begin` looks again."""
        if topic.job_id in self._open:
            self._news[topic.job_id] = topic
            self._catch_up()

    def _catch_up(self) -> None:
        """Bring the reader up to date, or leave it to the write that is under way to call this again."""
        if not self._begun or self._ended or self.sending.busy:
            return
        # Whoever reads slowly must not learn what happened after its token had ended.
        told = self._aside + (b"" if self._leaving else self._told_news())
        self._aside = b""
        if told or self._leaving:
            body = self._body(told)
            self.sending.write(part(body, last=self._ended))
        self._read_on()

    def _body(self, told: bytes) -> bytes:
        """What is written next, with which the stream ends or not."""
        self._ended = self._leaving or not self._open
        body = self._greeting + told if told else COMMENT
        self._greeting = b"" if told else self._greeting
        return body

    def _told_news(self) -> bytes:
        """The events of all jobs of which there is news; those whose past has to be read first stay in `_news`."""
        told = {job_id: self._told(topic) for job_id, topic in self._news.items()}
        self._news = {job_id: self._news[job_id] for job_id, events in told.items() if events is None}
        return b"".join(events for events in told.values() if events)

    def _told(self, topic: Topic) -> bytes | None:
        seen = self._seen[topic.job_id]
        missed = [topic.snapshot] if seen == NOTHING_SEEN and topic.snapshot else topic.since(seen)
        if missed is None and not topic.gone:
            return None
        told = b"".join(map(self._event, missed or ()))
        return told + self._told_gone(topic.job_id) if topic.gone and topic.job_id in self._open else told

    def _event(self, snapshot: Snapshot) -> bytes:
        job = snapshot.job
        self._seen[job.id] = job.version
        if job.terminal:
            self._let_go(job.id)
        if self._begun:
            metrics.commit_to_socket("stream").observe(max(0.0, time.time() - job.updated_at.timestamp()))
        return self._numbered(snapshot.rendered(self._form).unnumbered_event)

    def _told_gone(self, job_id: str) -> bytes:
        self._seen[job_id] = NOT_THERE
        self._let_go(job_id)
        document = problem_document(no_such_job(), self._scope, instance=f"{self._form.base}/{job_id}")
        return self._numbered(problem_event({**document, "id": job_id}))

    def _numbered(self, event: bytes) -> bytes:
        return b"id: %b\n%b" % (self._cursor.at([*self._seen.values()]).encode(), event)

    def _let_go(self, job_id: str) -> None:
        topic = self._open.pop(job_id, None)
        if topic is not None:
            self._watch.unfollow(topic, self)

    def _read_on(self) -> None:
        """Read the past of the jobs that are left in `_news`, unless that is being done."""
        if self._news and self._reading is None and not self._ended:
            self._reading = asyncio.create_task(self._read_pasts([*self._news.values()]))

    async def _read_pasts(self, topics: list[Topic]) -> None:
        await asyncio.gather(*map(self._read_past, topics))
        self._reading = None
        self._catch_up()

    async def _read_past(self, topic: Topic) -> None:
        try:
            await self._watch.complete(topic)
        except Unavailable as error:
            if not topic.gone:  # a deleted job has no past, and its end is told
                _log.warning("stream ends, a past cannot be read", job_id=topic.job_id, reason=error.detail)
                self._leaving = True


def is_over(topic: Topic, seen: int) -> bool:
    """Whether the reader has seen the job's end."""
    return topic.snapshot is not None and topic.snapshot.job.terminal and topic.snapshot.job.version == seen
