"""Get, follow and wait, over snapshots that are kept true."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import structlog

from polling_api import metrics
from polling_api.domain.job import Job
from polling_api.errors import Unavailable
from polling_api.hub import Notice
from polling_api.representation import Snapshot
from polling_api.resilience.coalesce import CoalescedReads
from polling_api.resilience.news_first import NewsFirst
from polling_api.watch.bounds import Bounds
from polling_api.watch.comparison import Comparison, Ear
from polling_api.watch.contact import Contact
from polling_api.watch.copies import Known
from polling_api.watch.loading import NEVER, Loading, Sees, anybody
from polling_api.watch.remark import Remark
from polling_api.watch.rereads import Rereads
from polling_api.watch.source import Cache, Copy, NoCache, Source
from polling_api.watch.topic import Follower, Topic
from polling_api.watch.topics import Topics
from polling_api.watch.waiter import Waiter

_log = structlog.get_logger(__name__)


class StatusWatch:
    """Live snapshots of every job that somebody in this process is interested in.

    Interest is registered before anything is read, so that no change falls between the two.

    Args:
        source: the primary.
        ear: the hub; its notices and gaps are told to `notice` and `gap`.
        bounds: figures.
        cache: asked before the primary is; by default none.
        replicas: asked after the cache, and before the primary; by default none.
        news: has those told who follow; by default of its own.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        source: Source,
        ear: Ear,
        bounds: Bounds,
        *,
        cache: Cache | None = None,
        replicas: Copy | None = None,
        news: NewsFirst | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        cache = cache or NoCache()
        self._source = source
        self._bounds = bounds
        self._topics = Topics(bounds.snapshots, news or NewsFirst())
        self._pasts = CoalescedReads(self._read_pasts, metrics.READS, answer_within=bounds.answer_within)
        self._contact = Contact()
        self._loading = Loading(self._topics, source, cache, self._contact, bounds, clock, replicas)
        self._comparison = Comparison(self._topics, source, cache, ear, self._contact, bounds, clock)
        self._rereads = Rereads(self._loading, clock)
        self._clock = clock

    def __len__(self) -> int:
        """How many jobs are watched now."""
        return len(self._topics)

    def live(self, job_id: str) -> Topic | None:
        """The topic of a job whose snapshot may be answered with as it is; no I/O, for hot reads."""
        topic = self._topics.get(job_id)
        if topic is None or topic.snapshot is None:
            return None
        now = self._clock()
        if now - topic.confirmed_at > self._bounds.oldest_answer and not self._keeps(topic, topic.snapshot.job, now):
            return None
        self._topics.use(topic, now)
        return topic

    def certain(self, topic: Topic) -> bool:
        """Whether a topic's snapshot is known to be recent enough."""
        return self._clock() - topic.confirmed_at <= self._bounds.oldest_answer

    def remark(self, job: Job) -> Remark | None:
        """What a reader should know of a version that is answered with: nothing, as long as all is well."""
        strain = self._comparison.strained.get(job.id)
        if strain is None and not self._contact.lost:
            return None
        topic = self._topics.get(job.id)
        age = None
        if self._contact.lost and topic is not None and not self.certain(topic):
            age = int(min(self._clock() - topic.confirmed_at, self._oldest(job)))
        if job.terminal:
            strain = None  # the provider has nothing more to confirm
        return None if age is None and strain is None else Remark(age, strain)

    async def get(self, job_id: str, sees: Sees = anybody) -> Snapshot | None:
        """The present version of a job, at most `oldest_answer` behind; None where there is no such job.

        One that whoever asks does not see is read as if it were not known here, though it may be.

        Raises:
            Unavailable: it is not known here, and the primary does not answer.
        """
        topic = self.live(job_id)
        if topic is not None and topic.snapshot is not None and self.certain(topic) and sees(topic.snapshot.job):
            metrics.snapshot_reads("live").inc()
        else:
            topic = await self._loading.load(job_id, sees)
        return topic and topic.snapshot

    async def at_least(self, job_id: str, version: int) -> Snapshot | None:
        """What is live, else like `get`, for a caller who has seen `version`: who knows less asks the primary once.

        Many such callers share one read a second; the wait for it is no longer than that.
        """
        topic = self.live(job_id)
        snapshot = topic.snapshot if topic is not None else await self.get(job_id)
        if snapshot is None or snapshot.job.version >= version:
            return snapshot
        reread = await asyncio.shield(self._rereads.next(self._topics.of(job_id, self._clock())))
        return reread and reread.snapshot

    async def follow(self, job_id: str, follower: Follower) -> Topic | None:
        """Tell `follower` of every change from now on; it may be told before this returns.

        Returns:
            The topic, with a snapshot; None where there is no such job, and then nothing is followed.

        Raises:
            Unavailable: as `get` does.
        """
        followed = await self.follow_all([job_id], follower)
        return followed.get(job_id)

    async def follow_all(self, ids: Collection[str], follower: Follower, sees: Sees = anybody) -> dict[str, Topic]:
        """Like `follow`, for many jobs, which are read together: also those that whoever asks does not see.

        Returns:
            The topics of those that there are, seen or not, each with a snapshot.

        Raises:
            Unavailable: as `get` does; then nothing is followed.
        """
        topics = [self._register(job_id, follower) for job_id in ids]
        since = self._comparison.followed_since
        unread = [topic.job_id for topic in topics if not self._may_be_followed(topic, sees, since)]
        try:
            await self._load_all(unread, sees, since)
        except BaseException:
            for topic in topics:
                self.unfollow(topic, follower)
            raise
        for topic in topics:
            if topic.gone:
                self.unfollow(topic, follower)
        return {topic.job_id: topic for topic in topics if not topic.gone}

    def unfollow(self, topic: Topic, follower: Follower) -> None:
        """Free what `follow` holds; the snapshot stays a while for the next poll."""
        topic.followers.discard(follower)
        self._topics.forget_unread(topic)

    async def complete(self, topic: Topic) -> None:
        """Read the statuses that `topic.since` lacks, once for all who need them.

        Raises:
            Unavailable: the primary does not answer.
        """
        for _ in range(3):  # a read may be overtaken by a change, hardly three times
            statuses = await self._pasts.get(topic.job_id)
            if topic.complete(statuses or ()):
                return
        raise Unavailable("The job's past cannot be read now.", retry_after=1)

    async def wait(self, job_id: str, until: Callable[[Job], bool], seconds: float) -> Snapshot | None:
        """Sleep until the job fulfils `until`, at most `seconds`; the present version either way.

        Raises:
            Unavailable: as `get` does.
        """
        waiter = Waiter(until)
        topic = await self.follow(job_id, waiter)
        if topic is None:
            return None
        waiter.changed(topic)
        try:
            async with asyncio.timeout(seconds):
                await waiter.woken
        except TimeoutError:
            pass
        finally:
            self.unfollow(topic, waiter)
        return topic.snapshot

    def notice(self, notice: Notice) -> None:
        """Take a version that was published, if somebody here is interested and it is newer.

        That a job was deleted is only a hint too: the primary is asked.
        """
        topic = self._topics.get(notice.job_id)
        if topic is None:
            metrics.NOTICES.labels("not watched").inc()
        elif notice.tells_deletion:
            metrics.NOTICES.labels("taken").inc()
            # Until the primary has been asked: where it cannot be, better not to say than to show what may be gone.
            topic.confirmed_at, topic.deletion_told = NEVER, True
            self._rereads.next(topic)
        elif topic.snapshot is not None and notice.version <= topic.snapshot.job.version:
            metrics.NOTICES.labels("stale").inc()
        else:
            self._take_notice(topic, notice)

    def committed(self, job: Job) -> None:
        """Take a version that this process itself has committed, so that its caller is never shown an older one."""
        topic = self._topics.get(job.id)
        if topic is not None:
            self._topics.take(topic, job)

    def warm(self, jobs: Collection[Job], seen_at: float) -> bool:
        """Keep snapshots ahead of whoever asks, as long as there is room, of what the primary said at `seen_at`.

        Returns:
            Whether there is room for more.
        """
        for job in jobs:
            topic = self._topics.get(job.id)
            if topic is None:
                if self._topics.full:
                    return False
                topic = self._topics.of(job.id, self._clock())
                metrics.warmed("memory").inc()
            self._topics.confirm(topic, job, seen_at)
        return True

    def deleted(self, job_id: str) -> None:
        """Drop a job that this process itself has deleted, or found deleted."""
        topic = self._topics.get(job_id)
        if topic is not None:
            self._topics.bury(topic)

    def lose_contact(self) -> None:
        """The primary does not answer, as others have found out."""
        self._contact.lost = True

    def gap(self) -> None:
        """Notices may have been missed: compare everything now."""
        self._comparison.hasten()

    async def run(self) -> None:
        """Compare with the primary again and again, until cancelled."""
        await self._comparison.run()

    def _keeps(self, topic: Topic, job: Job, now: float) -> bool:
        """Whether a snapshot is answered with that cannot be confirmed now."""
        if not self._contact.lost or topic.confirmed_at == NEVER:
            return False
        return now - topic.confirmed_at <= self._oldest(job)

    def _oldest(self, job: Job) -> float:
        """How old an answer may be, in seconds, that says how old it is."""
        return self._bounds.oldest_end if job.terminal else self._bounds.oldest_kept

    def _register(self, job_id: str, follower: Follower) -> Topic:
        topic = self._topics.of(job_id, self._clock())
        topic.followers.add(follower)
        return topic

    def _may_be_followed(self, topic: Topic, sees: Sees, since: float) -> bool:
        if topic.snapshot is None or not sees(topic.snapshot.job):
            return False
        return self.live(topic.job_id) is topic and topic.confirmed_at >= since

    async def _load_all(self, ids: Sequence[str], sees: Sees, since: float) -> None:
        if ids:
            known = await self._loading.look(ids, sees, since)
            await asyncio.gather(*(self._load_or_keep(job_id, sees, since, known[job_id]) for job_id in ids))

    async def _load_or_keep(self, job_id: str, sees: Sees, since: float, known: Known) -> Topic | None:
        try:
            return await self._loading.load(job_id, sees, since=since, known=known)
        except Unavailable:
            topic = self.live(job_id)
            if topic is None or topic.snapshot is None or not sees(topic.snapshot.job):
                raise
            return topic

    def _take_notice(self, topic: Topic, notice: Notice) -> None:
        try:
            job = notice.job()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # Of another release, or of nobody's: as if it were lost, which comparison makes up for.
            metrics.NOTICES.labels("unreadable").inc()
            _log.warning("a notice that cannot be read", job_id=topic.job_id, reason=repr(error))
        else:
            metrics.NOTICES.labels("taken").inc()
            self._topics.take(topic, job)

    async def _read_pasts(self, ids: Collection[str]) -> Mapping[str, Sequence[Job]]:
        return await self._source.statuses_after(dict.fromkeys(ids, 0))
