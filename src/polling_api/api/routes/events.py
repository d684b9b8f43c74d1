"""`GET` of a job's events: Server-Sent Events with replay. Hot: a held stream costs one small object."""

import re

from starlette.types import Receive, Scope, Send

from polling_api.api.answers import NO_STORE, VARY, Answer
from polling_api.api.held import Holding, send_whole
from polling_api.api.ownership import visible
from polling_api.api.problems import problem
from polling_api.api.requests import header, query
from polling_api.api.routes.status import no_such_job
from polling_api.api.streaming import HEADERS, EventStream, KeepAlive
from polling_api.domain.job import JOB_ID
from polling_api.errors import PollingError, Unavailable
from polling_api.representation import Form
from polling_api.watch import StatusWatch, Topic

_VERSION = re.compile(r"[0-9]{1,9}")
_SEEN_THE_END = Answer(204, [NO_STORE, VARY])  # stops an EventSource for good


class EventsEndpoint:
    """Streams one job's versions until its end.

    Args:
        watch: the snapshots.
        holding: counts the streams.
        keep_alive: writes comments into silent ones.
        form: of the set this endpoint belongs to.
    """

    def __init__(self, watch: StatusWatch, holding: Holding, keep_alive: KeepAlive, form: Form) -> None:
        self._watch = watch
        self._holding = holding
        self._keep_alive = keep_alive
        self._form = form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        scope["polling.transport"] = "stream"
        try:
            await self._serve(scope, receive, send)
        except PollingError as error:
            await send_whole(problem(error, scope), send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._holding.draining:
            raise Unavailable("This process is going away; connect again.", code="draining", retry_after=1)
        job_id = scope["path_params"]["job_id"]
        if not JOB_ID.fullmatch(job_id):
            raise no_such_job()
        seen = last_event_id(header(scope, b"last-event-id"), query(scope).get("last_event_id", []))
        stream = EventStream(self._watch, self._form, send)
        topic = await self._watch.follow(job_id, stream)
        if topic is None:
            raise no_such_job()
        try:
            await self._stream(stream, topic, seen, scope, receive, send)
        finally:
            stream.end()
            self._watch.unfollow(topic, stream)

    async def _stream(
        self, stream: EventStream, topic: Topic, seen: int | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        # A reader who has seen more than this node knows is not from the future before the primary says so.
        snapshot = visible(await self._watch.at_least(topic.job_id, seen or 0))
        if snapshot is None:
            raise no_such_job()
        if seen is not None and seen > snapshot.job.version:
            seen = None
        if snapshot.job.terminal and seen == snapshot.job.version:
            await send_whole(_SEEN_THE_END, send)
        elif scope["method"] == "HEAD":
            await send_whole(Answer(200, HEADERS), send)
        else:
            with self._holding.holds(stream, "stream"):
                slot = self._keep_alive.add(stream)
                try:
                    stream.begin(topic, seen)
                    self._holding.catch_up(stream)
                    await stream.sending.until_gone(receive)
                finally:
                    self._keep_alive.discard(stream, slot)


def last_event_id(from_header: str | None, from_query: list[str]) -> int | None:
    """The version that a reconnecting reader has seen; the header wins, and what is no number is ignored.

    Args:
        from_header: `Last-Event-ID`, which an EventSource sends by itself.
        from_query: `?last_event_id=`, for clients that cannot set headers.
    """
    value = from_header if from_header is not None else from_query[-1] if from_query else ""
    return int(value) if _VERSION.fullmatch(value) else None
