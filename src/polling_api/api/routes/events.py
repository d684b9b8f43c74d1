"""`GET` of a job's events: Server-Sent Events with replay. Hot: a held stream costs one small object."""

import re

from starlette.types import Receive, Scope, Send

from polling_api.api.admission import Admission, Door
from polling_api.api.answers import NO_STORE, VARY, Answer
from polling_api.api.held import Holding, send_whole
from polling_api.api.lapsing import Lapsing
from polling_api.api.ownership import Ownership, no_such_job
from polling_api.api.problems import problem
from polling_api.api.requests import header, query
from polling_api.api.streaming import HEADERS, EventStream, KeepAlive
from polling_api.domain.caller import Scope as Needed
from polling_api.errors import PollingError, Unavailable
from polling_api.representation import Form
from polling_api.watch import StatusWatch, Topic

_VERSION = re.compile(r"[0-9]{1,9}")
SEEN_THE_END = Answer(204, [NO_STORE, VARY])  # stops an EventSource for good


class EventsEndpoint:
    """Streams one job's versions until its end.

    Args:
        door: says who asks.
        ownership: finds the job for whoever it is.
        watch: the snapshots.
        holding: counts the streams.
        keep_alive: writes comments into silent ones.
        lapsing: ends those whose readers' credentials end.
        form: of the set this endpoint belongs to.
    """

    def __init__(
        self,
        door: Door,
        ownership: Ownership,
        watch: StatusWatch,
        holding: Holding,
        keep_alive: KeepAlive,
        lapsing: Lapsing,
        form: Form,
    ) -> None:
        self._door = door
        self._ownership = ownership
        self._watch = watch
        self._holding = holding
        self._keep_alive = keep_alive
        self._lapsing = lapsing
        self._form = form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        scope["polling.transport"] = "stream"
        try:
            await self._serve(scope, receive, send)
        except PollingError as error:
            await send_whole(problem(error, scope), send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        admission = await self._door.admit(scope, receive)
        if self._holding.draining:
            raise going_away()
        seen = _version(last_event_id(scope))
        stream = EventStream(self._watch, self._form, scope, send)
        job_id = scope["path_params"]["job_id"]
        topics = await self._ownership.follow_all(admission.caller, [job_id], Needed.EVENTS, stream)
        if not topics:
            raise no_such_job()
        try:
            await self._stream(stream, topics[job_id], seen, admission, scope, receive, send)
        finally:
            stream.end()
            self._ownership.unfollow_all(topics, stream)

    async def _stream(
        self,
        stream: EventStream,
        topic: Topic,
        seen: int | None,
        admission: Admission,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        # A reader who has seen more than this node knows is not from the future before the primary says so.
        snapshot = await self._watch.at_least(topic.job_id, seen or 0)
        if snapshot is None:
            raise no_such_job()
        if seen is not None and seen > snapshot.job.version:
            seen = None
        if snapshot.job.terminal and seen == snapshot.job.version:
            await send_whole(SEEN_THE_END, send)
        elif scope["method"] == "HEAD":
            await send_whole(Answer(200, HEADERS), send)
        else:
            with self._holding.holds(stream, "stream"), self._lapsing.ends(stream, admission):
                slot = self._keep_alive.add(stream)
                try:
                    stream.begin(topic, seen)
                    self._holding.catch_up(stream)
                    await stream.sending.until_gone(receive)
                finally:
                    self._keep_alive.discard(stream, slot)


def going_away() -> Unavailable:
    """The refusal of streams that would be ended at once."""
    return Unavailable("This process is going away; connect again.", code="draining", retry_after=1)


def last_event_id(scope: Scope) -> str:
    """What a reconnecting reader has seen last: `Last-Event-ID`, which an EventSource sends by itself.

    Else it is `?last_event_id=`, for clients that cannot set headers; empty where there is neither.
    """
    value = header(scope, b"last-event-id")
    return value if value is not None else query(scope).get("last_event_id", [""])[-1]


def _version(seen: str) -> int | None:
    """The version in an event's id; what is no number is ignored."""
    return int(seen) if _VERSION.fullmatch(seen) else None
