"""Get, follow and wait, over snapshots that are kept true."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Protocol

import structlog

from polling_api import metrics
from polling_api.domain.job import Job
from polling_api.errors import Unavailable
from polling_api.hub import Notice
from polling_api.representation import Snapshot
from polling_api.watch.bounds import Bounds
from polling_api.watch.coalesce import CoalescedReads
from polling_api.watch.source import Source
from polling_api.watch.topic import Follower, Topic

COMPARED_AT_ONCE = 1_000  # ids in one statement
WOKEN_AT_ONCE = 500  # followers before the loop may do something else: some 5 ms
REREAD_AT_MOST_EVERY = 1.0  # seconds, for each job: who makes versions up must not make us ask for each of them
LOOKED_AT_FOR_ROOM = 100  # snapshots: those that are followed stay, and are not looked through at every read

_log = structlog.get_logger(__name__)


class Ear(Protocol):
    """What the watch needs to know of the hub."""

    @property
    def listening(self) -> bool:
        """Whether notices are being heard now."""
        ...


class StatusWatch:
    """Live snapshots of every job that somebody in this process is interested in.

    Interest is registered before anything is read, so that no change falls between the two.

    Args:
        source: the primary.
        ear: the hub; its notices and gaps are told to `notice` and `gap`.
        bounds: figures.
        clock: monotonic seconds.
    """

    def __init__(
        self, source: Source, ear: Ear, bounds: Bounds, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._ear = ear
        self._bounds = bounds
        self._topics: OrderedDict[str, Topic] = OrderedDict()
        self._reads = CoalescedReads(source.read)
        self._pasts = CoalescedReads(self._read_pasts)
        self._compare_now = asyncio.Event()
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
        if now - topic.confirmed_at > self._bounds.oldest_answer:
            return None
        topic.used_at = now
        self._topics.move_to_end(job_id)
        return topic

    async def get(self, job_id: str) -> Snapshot | None:
        """The present version of a job, at most `oldest_answer` behind; None where there is no such job.

        Raises:
            Unavailable: it is not known here, and the primary does not answer.
        """
        topic = self.live(job_id)
        if topic is not None:
            metrics.READS.labels("live").inc()
        else:
            topic = await self._load(job_id)
        return topic and topic.snapshot

    async def at_least(self, job_id: str, version: int) -> Snapshot | None:
        """Like `get`, for a caller who has seen `version`: a snapshot that knows less asks the primary once.

        Many such callers share one read a second; the wait for it is no longer than that.
        """
        snapshot = await self.get(job_id)
        if snapshot is None or snapshot.job.version >= version:
            return snapshot
        topic = self._topic(job_id)
        if topic.reread is None:
            topic.reread = asyncio.create_task(self._reread(topic))
        reread = await asyncio.shield(topic.reread)
        return reread and reread.snapshot

    async def follow(self, job_id: str, follower: Follower) -> Topic | None:
        """Tell `follower` of every change from now on; it may be told before this returns.

        Returns:
            The topic, with a snapshot; None where there is no such job, and then nothing is followed.

        Raises:
            Unavailable: as `get` does.
        """
        topic = self._topic(job_id)
        topic.followers.add(follower)
        try:
            if self.live(job_id) is None:
                await self._load(job_id)
        except BaseException:
            self.unfollow(topic, follower)
            raise
        if topic.gone:
            self.unfollow(topic, follower)
            return None
        return topic

    def unfollow(self, topic: Topic, follower: Follower) -> None:
        """Free what `follow` holds; the snapshot stays a while for the next poll."""
        topic.followers.discard(follower)

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
        waiter = _Waiter(until)
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
        """Take a version that was published, if somebody here is interested and it is newer."""
        topic = self._topics.get(notice.job_id)
        if topic is None:
            metrics.NOTICES.labels("not watched").inc()
        elif topic.snapshot is not None and notice.version <= topic.snapshot.job.version:
            metrics.NOTICES.labels("stale").inc()
        else:
            self._take_notice(topic, notice)

    def gap(self) -> None:
        """Notices may have been missed: compare everything now."""
        self._compare_now.set()

    async def run(self) -> None:
        """Compare with the primary again and again, until cancelled."""
        while True:
            self._compare_now.clear()
            self._forget_unused()
            try:
                with metrics.COMPARISONS.time():
                    await self._compare()
            except Unavailable as error:
                _log.warning("comparison failed", reason=error.detail)
            pause = self._bounds.compare_every if self._ear.listening else self._bounds.compare_when_deaf
            try:
                async with asyncio.timeout(pause):
                    await self._compare_now.wait()
            except TimeoutError:
                pass

    def _topic(self, job_id: str) -> Topic:
        topic = self._topics.get(job_id)
        if topic is None:
            self._make_room()
            topic = self._topics[job_id] = Topic(job_id, self._clock())
            metrics.SNAPSHOTS.set(len(self._topics))
        return topic

    def _make_room(self) -> None:
        """Drop the longest unused snapshots that nobody follows; how many are followed, the held requests bound."""
        for _ in range(LOOKED_AT_FOR_ROOM):
            if len(self._topics) < self._bounds.snapshots:
                return
            job_id, topic = next(iter(self._topics.items()))
            if topic.followers:
                self._topics.move_to_end(job_id)
            else:
                del self._topics[job_id]
                metrics.EVICTIONS.labels("full").inc()

    async def _reread(self, topic: Topic) -> Topic | None:
        await asyncio.sleep(topic.reread_at + REREAD_AT_MOST_EVERY - self._clock())
        topic.reread, topic.reread_at = None, self._clock()  # who asks from now on needs the next one
        return await self._load(topic.job_id, fresh=True)

    async def _load(self, job_id: str, *, fresh: bool = False) -> Topic | None:
        topic = self._topic(job_id)
        asked_at = self._clock()
        job = await self._reads.get(job_id, fresh=fresh)
        if job is None:
            self._drop(topic)
            return None
        topic.used_at = self._clock()
        topic.confirmed_at = max(topic.confirmed_at, asked_at)
        self._take(topic, job)
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
            self._take(topic, job)

    def _take(self, topic: Topic, job: Job) -> None:
        if topic.offer(job) and topic.followers:
            self._wake(topic, tuple(topic.followers))

    def _wake(self, topic: Topic, followers: Sequence[Follower]) -> None:
        for follower in followers[:WOKEN_AT_ONCE]:
            if follower in topic.followers:
                follower.changed(topic)
        if len(followers) > WOKEN_AT_ONCE:
            asyncio.get_running_loop().call_soon(self._wake, topic, followers[WOKEN_AT_ONCE:])

    def _drop(self, topic: Topic) -> None:
        """The primary does not know the job: whoever follows it is told that it is gone."""
        topic.gone = True
        if self._topics.get(topic.job_id) is topic:
            del self._topics[topic.job_id]
            metrics.SNAPSHOTS.set(len(self._topics))
        self._wake(topic, tuple(topic.followers))

    async def _compare(self) -> None:
        watched = iter([(job_id, topic) for job_id, topic in self._topics.items() if topic.snapshot])
        while some := dict(islice(watched, COMPARED_AT_ONCE)):
            await self._compare_some(some)

    async def _compare_some(self, topics: Mapping[str, Topic]) -> None:
        asked_at = self._clock()
        known = {job_id: topic.snapshot.job.version for job_id, topic in topics.items() if topic.snapshot}
        differences = await self._source.differing(known)
        for topic in topics.values():
            topic.confirmed_at = max(topic.confirmed_at, asked_at)
        for job in differences.changed:
            topic = topics[job.id]
            if topic.snapshot and job.version > topic.snapshot.job.version:
                metrics.MADE_UP.inc()
                self._take(topic, job)
        for job_id in differences.missing:
            self._drop(topics[job_id])

    def _forget_unused(self) -> None:
        now = self._clock()
        for job_id, topic in list(self._topics.items()):
            if not topic.followers and now - topic.used_at > self._bounds.idle:
                del self._topics[job_id]
                metrics.EVICTIONS.labels("idle").inc()
        metrics.SNAPSHOTS.set(len(self._topics))

    async def _read_pasts(self, ids: Collection[str]) -> Mapping[str, Sequence[Job]]:
        return await self._source.statuses_after(dict.fromkeys(ids, 0))


class _Waiter:
    """A follower that ends a sleep."""

    def __init__(self, until: Callable[[Job], bool]) -> None:
        self._until = until
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def changed(self, topic: Topic) -> None:
        reached = topic.gone or (topic.snapshot is not None and self._until(topic.snapshot.job))
        if reached and not self.woken.done():
            self.woken.set_result(None)
