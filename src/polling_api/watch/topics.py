"""The topics of one process: a bounded number, of which the longest unused go first."""

from collections import OrderedDict
from collections.abc import Iterator

from polling_api import metrics
from polling_api.domain.job import Job
from polling_api.resilience.news_first import NewsFirst
from polling_api.watch.topic import Topic

LOOKED_AT_FOR_ROOM = 100  # topics: those that are followed stay, and are not looked through at every read


class Topics:
    """Topics by id, in the order of their last use.

    Moments are in monotonic seconds, and given by the caller.

    Args:
        most: where there would be more, the longest unused are dropped; how many are followed, the held requests bound.
        news: has those told who follow.
    """

    def __init__(self, most: int, news: NewsFirst) -> None:
        self._most = most
        self._news = news
        self._by_id: OrderedDict[str, Topic] = OrderedDict()
        # Being read, and not known to be there: in a place of their own, so that whoever asks for many ids that do not
        # exist pushes out nobody's snapshot. As many as are being read at once, which `CoalescedReads` bounds.
        self._unread: dict[str, Topic] = {}

    def __len__(self) -> int:
        return len(self._by_id) + len(self._unread)

    def __iter__(self) -> Iterator[Topic]:
        """All that have a snapshot, as they are now, whatever changes while they are gone through."""
        return iter(tuple(self._by_id.values()))

    def get(self, job_id: str) -> Topic | None:
        """The topic of a job, if there is one."""
        return self._by_id.get(job_id) or self._unread.get(job_id)

    def use(self, topic: Topic, now: float) -> None:
        """Note that somebody asked for it."""
        topic.used_at = now
        if self._by_id.get(topic.job_id) is topic:
            self._by_id.move_to_end(topic.job_id)

    def of(self, job_id: str, now: float) -> Topic:
        """The topic of a job, made where there is none."""
        topic = self.get(job_id)
        if topic is None:
            topic = self._unread[job_id] = Topic(job_id, now, self._news)
        return topic

    @property
    def full(self) -> bool:
        """Whether a further snapshot would push one out."""
        return len(self._by_id) >= self._most

    def take(self, topic: Topic, job: Job) -> bool:
        """Take a version if it is newer than the known one, and tell it to all who follow.

        Returns:
            Whether it was taken.
        """
        if self._unread.get(topic.job_id) is topic:
            del self._unread[topic.job_id]
            self._make_room()
            self._by_id[topic.job_id] = topic
            metrics.SNAPSHOTS.set(len(self._by_id))
        return topic.take(job)

    def confirm(self, topic: Topic, job: Job, seen_at: float) -> None:
        """Take a version that was the newest in the primary at `seen_at`, unless more is known; that is not confirmed.

        For more than the primary knew may have come about since, or may be lost.
        """
        self.take(topic, job)
        if topic.snapshot is not None and topic.snapshot.job.version == job.version:
            topic.confirmed_at = max(topic.confirmed_at, seen_at)

    def forget_unread(self, topic: Topic) -> None:
        """Forget a topic that could not be read, unless somebody still waits for it."""
        if topic.snapshot is None and not topic.followers and self._unread.get(topic.job_id) is topic:
            del self._unread[topic.job_id]

    def bury(self, topic: Topic) -> None:
        """The primary does not know the job: forget it, and tell whoever follows that it is gone."""
        topic.gone = True
        if self._unread.get(topic.job_id) is topic:
            del self._unread[topic.job_id]
        elif self._by_id.get(topic.job_id) is topic:  # else another stands in its place already
            del self._by_id[topic.job_id]
            metrics.SNAPSHOTS.set(len(self._by_id))
        topic.tell()

    def drop_unused(self, since: float) -> None:
        """Forget those that nobody follows, or has asked for after `since`."""
        for topic in self:
            if not topic.followers and topic.used_at < since:
                del self._by_id[topic.job_id]
                metrics.EVICTIONS.labels("idle").inc()
        metrics.SNAPSHOTS.set(len(self._by_id))

    def _make_room(self) -> None:
        for _ in range(LOOKED_AT_FOR_ROOM):
            if len(self._by_id) < self._most:
                return
            job_id, topic = next(iter(self._by_id.items()))
            if topic.followers:
                self._by_id.move_to_end(job_id)
            else:
                del self._by_id[job_id]
                metrics.EVICTIONS.labels("full").inc()
