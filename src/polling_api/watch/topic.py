"""One watched job: its present snapshot, the statuses before it, and who follows it."""

from collections.abc import Sequence
from operator import methodcaller
from typing import TYPE_CHECKING, Protocol

from polling_api.domain.job import Job
from polling_api.representation import Snapshot
from polling_api.resilience.news_first import NewsFirst

if TYPE_CHECKING:
    from asyncio import Task


class Follower(Protocol):
    """Who is told of a new version. The call is quick, is made on the event loop, and raises nothing."""

    def changed(self, topic: "Topic") -> None:
        """The topic has a newer version than before, or the job is gone."""
        ...

    def set_back(self, topic: "Topic") -> None:
        """The topic has a lower version than before: the primary has lost what was known. As quick as `changed`."""
        ...


class Topic:
    """The newest known version of one job, and as much of its past as a stream may still need.

    `past` holds one snapshot for each status before the present one, in order; it is whole for readers who have seen
    a version of at least `whole_after`. Versions are only ever taken if newer: messages may be late or doubled. The one
    exception is `set_back`.

    Moments are the watch's, in monotonic seconds: the snapshot was asked for at `used_at`, and was still the newest
    version in the primary at `confirmed_at`. `asked_in` is the last comparison that found it asked for. `reread` has
    not begun yet; the one before it began at `reread_at`. `deletion_told` is whether anybody said that the job is gone.

    Args:
        job_id: the job.
        now: the watch's moment.
        news: has those told who follow; of its own where none is given.
    """

    __slots__ = (
        "_news",
        "asked_in",
        "confirmed_at",
        "deletion_told",
        "followers",
        "gone",
        "job_id",
        "past",
        "reread",
        "reread_at",
        "snapshot",
        "used_at",
        "whole_after",
    )

    def __init__(self, job_id: str, now: float, news: NewsFirst | None = None) -> None:
        self._news = news or NewsFirst()
        self.job_id = job_id
        self.snapshot: Snapshot | None = None
        self.past: list[Snapshot] = []
        self.whole_after = 0
        self.followers: set[Follower] = set()
        self.gone = False
        self.deletion_told = False
        self.used_at = now
        self.asked_in = -1
        self.confirmed_at = float("-inf")
        self.reread: Task[Topic | None] | None = None
        self.reread_at = float("-inf")

    def offer(self, job: Job) -> bool:
        """Take a version if it is newer than the known one.

        Returns:
            Whether it was taken.
        """
        present = self.snapshot
        if present is not None and job.version <= present.job.version:
            return False
        if present is None:
            self.whole_after = job.status_version - 1
        elif job.status_version == present.job.version + 1:
            self.past.append(present)
        elif job.status_version != present.job.status_version:
            # Statuses between the two were missed; whoever needs them must read them.
            self.past.clear()
            self.whole_after = job.status_version - 1
        self.snapshot = Snapshot(job)
        return True

    def take(self, job: Job) -> bool:
        """Take a version if it is newer than the known one, and tell it to all who follow.

        Returns:
            Whether it was taken.
        """
        taken = self.offer(job)
        if taken:
            self.tell()
        return taken

    def tell(self) -> None:
        """Tell all who follow that there is a newer version, or that the job is gone."""
        if self.followers:
            self._news.tell(self.followers, methodcaller("changed", self))

    def set_back(self, job: Job) -> None:
        """Take a version though it is lower, since the primary has lost the known one, and tell all who follow."""
        self.snapshot = Snapshot(job)
        self.past.clear()
        self.whole_after = job.status_version - 1
        if self.followers:
            self._news.tell(self.followers, methodcaller("set_back", self))

    def since(self, version: int) -> Sequence[Snapshot] | None:
        """What a reader who has seen `version` has to be sent, in order: every status after it, and the present.

        Returns:
            None where statuses in between are not known here: read them, then `complete`.
        """
        if self.snapshot is None or self.lacks_after(version):
            return None
        missed = [snapshot for snapshot in self.past if snapshot.job.version > version]
        if self.snapshot.job.version > version:
            missed.append(self.snapshot)
        return missed

    def lacks_after(self, version: int) -> bool:
        """Whether `since` cannot say what a reader has to be sent who has seen `version`."""
        return self.snapshot is None or version < self.whole_after

    def complete(self, statuses: Sequence[Job]) -> bool:
        """Fill in the past from all versions in which the status changed.

        Returns:
            False when the read was too early to reach what is known here, so that it has to be made again.
        """
        if self.snapshot is None:
            return False
        if self.whole_after > 0 and not any(job.version > self.whole_after for job in statuses):
            return False
        known_from = self.past[0].job.status_version if self.past else self.snapshot.job.status_version
        self.past[:0] = [Snapshot(job) for job in statuses if job.version < known_from]
        self.whole_after = 0
        return True
