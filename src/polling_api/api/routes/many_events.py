"""`GET` of the events of many jobs on one stream, which resumes on any node by a signed cursor. Hot."""

import asyncio
from collections.abc import Mapping, Sequence

from starlette.types import Receive, Scope, Send

from polling_api.api.admission import Admission, Door, admitted
from polling_api.api.cursors import Cursor, Cursors
from polling_api.api.forms import asked_form
from polling_api.api.guard import Guard, note_missed
from polling_api.api.held import send_whole
from polling_api.api.limits import PARTY
from polling_api.api.many_jobs import NOT_THERE, NOTHING_SEEN, ManyJobsStream, is_over
from polling_api.api.open_streams import OpenStreams, head_of_stream, seen_the_end
from polling_api.api.ownership import Ownership, no_such_job, require_grant
from polling_api.api.requests import last_event_id, query
from polling_api.api.routes.client_events import ClientEventsEndpoint
from polling_api.domain.caller import Scope as Needed
from polling_api.errors import FieldError, Invalid
from polling_api.ratelimit import STREAM
from polling_api.representation import Form
from polling_api.resilience.steps import in_a_task
from polling_api.watch import StatusWatch, Topic

MOST_JOBS = 100  # on one stream: its ids fit into a URL that every proxy takes


class ManyEventsEndpoint:
    """Streams the versions of several jobs until all have ended.

    Args:
        door: says who asks.
        guard: counts the requests.
        ownership: finds the jobs for whoever it is.
        watch: the snapshots.
        streams: holds them.
        form: of the set this endpoint belongs to.
        cursors: by which readers resume.
        all_jobs: serves those who ask for all of a client's jobs, by naming none.
    """

    def __init__(
        self,
        door: Door,
        guard: Guard,
        ownership: Ownership,
        watch: StatusWatch,
        streams: OpenStreams,
        form: Form,
        cursors: Cursors,
        all_jobs: ClientEventsEndpoint,
    ) -> None:
        self._door = door
        self._guard = guard
        self._ownership = ownership
        self._watch = watch
        self._streams = streams
        self._form = form
        self._cursors = cursors
        self._all_jobs = all_jobs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        await in_a_task()
        admission = await admitted(self._door, scope, receive)
        self._guard.count(scope, None, STREAM)
        caller = admission.caller
        asked = query(scope).get("ids")
        if asked is None and caller.client_id is not None:
            require_grant(caller, Needed.EVENTS)
            if caller.named is None:
                await self._all_jobs(caller.client_id, admission, scope, receive, send)
                return
            asked = [",".join(sorted(caller.named))]
        await self._follow(asked_ids(asked or []), admission, scope, receive, send)

    async def _follow(
        self, ids: Sequence[str], admission: Admission, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._streams.require_staying()
        cursor = self._cursors.bound_to("events", admission.caller.client_id or "", *sorted(ids))
        seen = seen_versions(sorted(ids), cursor, last_event_id(scope))
        stream = ManyJobsStream(self._watch, asked_form(self._form, query(scope)), cursor, scope, send)
        followed = await self._ownership.follow_all(admission.caller, ids, Needed.EVENTS, stream)
        note_missed(scope, [job_id for job_id in ids if job_id not in followed])
        try:
            await self._stream(stream, followed, seen, admission, scope, receive, send)
        finally:
            stream.end()
            self._ownership.unfollow_all(followed, stream)

    async def _stream(
        self,
        stream: ManyJobsStream,
        followed: Mapping[str, Topic],
        seen: dict[str, int],
        admission: Admission,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        await self._ask_primary_of_later(followed, seen)
        topics = {job_id: topic for job_id, topic in followed.items() if not topic.gone}
        if not topics:
            raise no_such_job()
        known = _believed(seen, topics)
        if all(_nothing_follows(known[job_id], topics.get(job_id)) for job_id in known):
            await send_whole(seen_the_end(self._watch, topics.values()), scope, send)
        elif scope["method"] == "HEAD":
            await send_whole(head_of_stream(self._watch, topics.values()), scope, send)
        else:
            with self._streams.held(stream, admission, scope.get(PARTY)):
                stream.begin(topics, known)
                await self._streams.until_gone(stream, receive)

    async def _ask_primary_of_later(self, topics: Mapping[str, Topic], seen: Mapping[str, int]) -> None:
        """A reader who has seen more than this node knows is not wrong before the primary says so."""
        later = [job_id for job_id, topic in topics.items() if seen[job_id] > _version(topic)]
        await asyncio.gather(*(self._watch.at_least(job_id, seen[job_id]) for job_id in later))


def asked_ids(values: list[str]) -> list[str]:
    """The jobs in `?ids=`, each once, in the order asked.

    Raises:
        Invalid: there is none, there are more than 100, or the parameter stands twice.
    """
    named = values[0].split(",") if len(values) == 1 else []
    ids = [*dict.fromkeys(job_id for name in named if (job_id := name.strip()))]
    if not 1 <= len(ids) <= MOST_JOBS:
        rule = f"1 to {MOST_JOBS} ids of jobs, divided by commas"
        raise Invalid(f"`ids` has {rule}, and is given once.", errors=[FieldError("?ids", f"not {rule}")])
    return ids


def seen_versions(ids: list[str], cursor: Cursor, last_seen: str) -> dict[str, int]:
    """The version of each job that a reconnecting reader has seen; a cursor that is not good for them is ignored.

    Args:
        ids: in the order of the cursor.
        cursor: reads it.
        last_seen: what the reader sent.
    """
    versions = cursor.read(last_seen)
    if versions is None or len(versions) != len(ids):
        return dict.fromkeys(ids, NOTHING_SEEN)
    return dict(zip(ids, versions, strict=True))


def _believed(seen: Mapping[str, int], topics: Mapping[str, Topic]) -> dict[str, int]:
    """What a reader has seen, without versions that a job never had, or does not have any more."""
    return {
        job_id: version if job_id not in topics or 0 < version <= _version(topics[job_id]) else NOTHING_SEEN
        for job_id, version in seen.items()
    }


def _nothing_follows(seen: int, topic: Topic | None) -> bool:
    return seen == NOT_THERE if topic is None else is_over(topic, seen)


def _version(topic: Topic) -> int:
    return topic.snapshot.job.version if topic.snapshot else NOTHING_SEEN
