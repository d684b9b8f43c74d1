"""`GET` of a job's events: Server-Sent Events with replay. Hot: a held stream costs one small object."""

import re
from functools import partial

from starlette.types import Receive, Scope, Send

from polling_api.api.answers import Answer
from polling_api.api.held import Holding, send_whole
from polling_api.api.open_streams import SEEN_THE_END, OpenStreams
from polling_api.api.ownership import no_such_job, visible
from polling_api.api.requests import header, query
from polling_api.api.streaming import HEADERS, EventStream, KeepAlive
from polling_api.domain.job import JOB_ID
from polling_api.representation import Form
from polling_api.watch import StatusWatch, Topic

_VERSION = re.compile(r"[0-9]{1,9}")


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
        self._streams = OpenStreams(holding, keep_alive)
        self._form = form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        scope["polling.transport"] = "stream"
        self._streams.require_staying()
        job_id = scope["path_params"]["job_id"]
        if not JOB_ID.fullmatch(job_id):
            raise no_such_job()
        seen = _version(last_event_id(scope))
        stream = EventStream(self._watch, self._form, scope, send)
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
            await send_whole(SEEN_THE_END, send)
        elif scope["method"] == "HEAD":
            await send_whole(Answer(200, HEADERS), send)
        else:
            await self._streams.hold(stream, partial(stream.begin, topic, seen), receive)


def last_event_id(scope: Scope) -> str:
    """What a reconnecting reader has seen last: `Last-Event-ID`, which an EventSource sends by itself.

    Else it is `?last_event_id=`, for clients that cannot set headers; empty where there is neither.
    """
    value = header(scope, b"last-event-id")
    return value if value is not None else query(scope).get("last_event_id", [""])[-1]


def _version(seen: str) -> int | None:
    """The version in an event's id; what is no number is ignored."""
    return int(seen) if _VERSION.fullmatch(seen) else None
