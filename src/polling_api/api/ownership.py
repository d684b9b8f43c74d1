"""Who may see which job: the one place that decides it.

A job of somebody else's is answered like one that is missing, in bytes and in time: by a negative entry of the
caller's, or by the same look into the status cache and the same read of the primary, whatever this process knows of
the job already.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping

from polling_api import metrics
from polling_api.domain.caller import Caller, Scope
from polling_api.domain.job import JOB_ID
from polling_api.errors import NotFound, Refused, Unavailable
from polling_api.representation import Snapshot
from polling_api.resilience.backoff import jittered
from polling_api.resilience.coalesce import RETRY_AFTER
from polling_api.resilience.steps import in_a_task
from polling_api.watch import Absences, Follower, StatusWatch, Topic

# Seconds that a denial takes which had to be read: more than the read itself on a machine that is not overloaded, so
# that nobody can tell from the time whether the primary had a row to give.
DENIED_AFTER = 0.005
_READ_LIVE = metrics.snapshot_reads("live")


class Ownership:
    """Finds jobs for callers.

    Args:
        watch: the snapshots.
        absences: what callers were told is not there.
        clock: monotonic seconds.
    """

    def __init__(self, watch: StatusWatch, absences: Absences, clock: Callable[[], float]) -> None:
        self._watch = watch
        self._absences = absences
        self._clock = clock

    async def find(
        self, caller: Caller, job_id: str, scope: Scope | None, *, version: int = 0, kept: bool = False
    ) -> Snapshot:
        """The present version of a job, for a caller who has seen `version` of it.

        Args:
            caller: who asks.
            job_id: as it stands in the request.
            scope: what a token has to allow for this; None where no token allows it.
            version: a snapshot that knows less asks the primary once.
            kept: whether, where the primary does not answer, what was known before is good enough: for answers that
                say how old it is.

        Raises:
            NotFound: there is no such job, or it is not the caller's.
            Refused: it is, but the caller's token does not allow this (`insufficient_scope`).
            Unavailable: that cannot be said now.
        """
        topic = self._watch.live(job_id)
        snapshot = topic and topic.snapshot
        if topic and snapshot and caller.sees(snapshot.job) and (kept or self._watch.certain(topic)):
            _READ_LIVE.inc()
        elif kept:
            snapshot = await self._read_or_keep(caller, job_id)
        else:
            snapshot = await self._read(caller, job_id)
        if version > snapshot.job.version:
            await in_a_task()
            snapshot = await self._watch.at_least(job_id, version)
            if snapshot is None or not caller.sees(snapshot.job):
                raise no_such_job()
        require_scope(caller, scope, snapshot)
        return snapshot

    async def follow_all(
        self, caller: Caller, ids: Collection[str], scope: Scope, follower: Follower
    ) -> Mapping[str, Topic]:
        """Have `follower` told of every change of those of the jobs that the caller sees.

        Returns:
            Their topics, each with a snapshot.

        Raises:
            Refused: the caller's token does not allow this for one of them (`insufficient_scope`).
            Unavailable: it cannot be said now which there are; then nothing is followed.
        """
        began = self._clock()
        asked = [job_id for job_id in ids if JOB_ID.fullmatch(job_id) and not self._absences.has(caller, job_id)]
        followed = await self._watch.follow_all(asked, follower, caller.sees)
        try:
            seen = {job_id: topic for job_id, topic in followed.items() if _shows(topic, caller)}
            for topic in seen.values():
                require_scope(caller, scope, topic.snapshot)
            denied = [job_id for job_id in asked if job_id not in seen]
            self._require_certain([followed[job_id] for job_id in denied if job_id in followed])
            if denied:
                await self._deny(caller, denied, began)
        except BaseException:
            self.unfollow_all(followed, follower)
            raise
        self.unfollow_all({job_id: topic for job_id, topic in followed.items() if job_id not in seen}, follower)
        return seen

    async def owned(self, caller: Caller, ids: Collection[str]) -> frozenset[str]:
        """Those of some jobs that the caller sees; the others are looked for as `find` does.

        Raises:
            Unavailable: that cannot be said now.
        """
        found = await asyncio.gather(*(self._is_owned(caller, job_id) for job_id in ids))
        return frozenset(job_id for job_id, owned in zip(ids, found, strict=True) if owned)

    def forget(self, caller: Caller, job_id: str) -> None:
        """Drop a job that the primary does not have any more, and deny it to `caller`, who is told so.

        Redis may know it for a moment longer, or for some where the news of its end is lost.
        """
        self._watch.deleted(job_id)
        self._absences.add(caller, [job_id])

    def unfollow_all(self, topics: Mapping[str, Topic], follower: Follower) -> None:
        """Free what `follow_all` holds."""
        for topic in topics.values():
            self._watch.unfollow(topic, follower)

    async def _is_owned(self, caller: Caller, job_id: str) -> bool:
        try:
            await self.find(caller, job_id, None)
        except NotFound:
            return False
        return True

    async def _read(self, caller: Caller, job_id: str) -> Snapshot:
        # What is no id was never given to a job, and is not looked for.
        if not JOB_ID.fullmatch(job_id) or self._absences.has(caller, job_id):
            raise no_such_job()
        await in_a_task()
        began = self._clock()
        snapshot = await self._watch.get(job_id, caller.sees)
        if snapshot is None or not caller.sees(snapshot.job):
            await self._deny(caller, [job_id], began)
            raise no_such_job()
        return snapshot

    async def _read_or_keep(self, caller: Caller, job_id: str) -> Snapshot:
        """Where the primary does not answer, what is known here of the caller's own jobs; nothing of anybody else's."""
        try:
            return await self._read(caller, job_id)
        except Unavailable:
            topic = self._watch.live(job_id)
            if topic is None or topic.snapshot is None or not caller.sees(topic.snapshot.job):
                raise
            return topic.snapshot

    def _require_certain(self, foreign: Collection[Topic]) -> None:
        """What cannot be said now of a job that is missing cannot be said of one that is another's either."""
        if not all(map(self._watch.certain, foreign)):
            raise Unavailable("The primary does not answer.", retry_after=jittered(RETRY_AFTER))

    async def _deny(self, caller: Caller, ids: Collection[str], began: float) -> None:
        self._absences.add(caller, ids)
        await asyncio.sleep(began + DENIED_AFTER - self._clock())


def _shows(topic: Topic, caller: Caller) -> bool:
    return topic.snapshot is not None and caller.sees(topic.snapshot.job)


def require_scope(caller: Caller, scope: Scope | None, snapshot: Snapshot | None) -> None:
    """Let a caller do to a job it sees what takes `scope`.

    Raises:
        Refused: its token does not allow it (`insufficient_scope`).
    """
    if snapshot is not None and snapshot.job.client_id is not None:
        require_grant(caller, scope)


def require_grant(caller: Caller, scope: Scope | None) -> None:
    """Let a caller do to the jobs of a client that are not public what takes `scope`.

    Raises:
        Refused: its token does not allow it (`insufficient_scope`).
    """
    if caller.allows(scope):
        return
    needed = f"the scope `{scope}`" if scope else "its client's own signature: no token allows it"
    challenge = b'Bearer realm="polling-api", error="insufficient_scope"'
    if scope:
        challenge += b', scope="%b"' % scope.encode()
    raise Refused(f"This takes {needed}.", code="insufficient_scope", challenges=[(b"www-authenticate", challenge)])


def no_such_job() -> NotFound:
    """The one answer for jobs that are missing and for those of others."""
    return NotFound("There is no such job, or it is not yours.", code="job_not_found")
