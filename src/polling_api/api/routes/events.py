"""`GET` of a job's events: Server-Sent Events with replay. Hot: a held stream costs one small object."""

import re

from starlette.types import Receive, Scope, Send

from polling_api.api.admission import Door, admitted
from polling_api.api.answers import Answer
from polling_api.api.forms import asked_form
from polling_api.api.guard import Guard
from polling_api.api.held import send_whole
from polling_api.api.limits import PARTY
from polling_api.api.open_streams import OpenStreams, head_of_stream, seen_the_end
from polling_api.api.ownership import Ownership, no_such_job
from polling_api.api.requests import last_event_id, query
from polling_api.api.streaming import EventStream
from polling_api.domain.caller import Scope as Needed
from polling_api.ratelimit import STREAM
from polling_api.representation import Form
from polling_api.resilience.steps import in_a_task
from polling_api.watch import StatusWatch, Topic

_VERSION = re.compile(r"[0-9]{1,9}")


class EventsEndpoint:
    """Streams one job's versions until its end.

    Args:
        door: says who asks.
        guard: counts the requests.
        ownership: finds the job for whoever it is.
        watch: the snapshots.
        streams: holds them.
        form: of the set this endpoint belongs to.
    """

    def __init__(
        self, door: Door, guard: Guard, ownership: Ownership, watch: StatusWatch, streams: OpenStreams, form: Form
    ) -> None:
        self._door = door
        self._guard = guard
        self._ownership = ownership
        self._watch = watch
        self._streams = streams
        self._form = form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        await in_a_task()
        admission = await admitted(self._door, scope, receive)
        job_id = scope["path_params"]["job_id"]
        self._guard.count(scope, job_id, STREAM)
        self._streams.require_staying()
        seen = _version(last_event_id(scope))
        stream = EventStream(self._watch, asked_form(self._form, query(scope)), scope, send)
        followed = await self._ownership.follow_all(admission.caller, [job_id], Needed.EVENTS, stream)
        if not followed:
            raise no_such_job()
        topic = followed[job_id]
        try:
            seen = await self._believed(seen, topic)
            answer = self._answer_at_once(topic, seen, scope)
            if answer is not None:
                await send_whole(answer, scope, send)
                return
            with self._streams.held(stream, admission, scope.get(PARTY)):
                stream.begin(topic, seen)
                await self._streams.until_gone(stream, receive)
        finally:
            stream.end()
            self._ownership.unfollow_all(followed, stream)

    async def _believed(self, seen: int | None, topic: Topic) -> int | None:
        """The version that a reader has seen; None where there never was such a one.

        A reader who has seen more than this node knows is not from the future before the primary says so.

        Raises:
            NotFound: the job was deleted meanwhile.
        """
        snapshot = await self._watch.at_least(topic.job_id, seen or 0)
        if snapshot is None:
            raise no_such_job()
        return None if seen is not None and seen > snapshot.job.version else seen

    def _answer_at_once(self, topic: Topic, seen: int | None, scope: Scope) -> Answer | None:
        """The answer to who has seen the job's end, or asks for the head alone; None where a stream is the answer."""
        snapshot = topic.snapshot
        if snapshot is not None and snapshot.job.terminal and seen == snapshot.job.version:
            return seen_the_end(self._watch, [topic])
        return head_of_stream(self._watch, [topic]) if scope["method"] == "HEAD" else None


def _version(seen: str) -> int | None:
    """The version in an event's id; what is no number is ignored."""
    return int(seen) if _VERSION.fullmatch(seen) else None
