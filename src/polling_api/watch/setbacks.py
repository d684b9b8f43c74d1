"""What a failover has lost: a snapshot that the primary, asked twice, does not know gives way to what it does know."""

from collections.abc import Collection
from typing import NamedTuple, Protocol

import structlog

from polling_api import metrics
from polling_api.domain.job import Job
from polling_api.representation import Snapshot
from polling_api.watch.topic import Topic
from polling_api.watch.topics import Topics

_log = structlog.get_logger(__name__)


class Answered(NamedTuple):
    """What the primary said of a job that it was asked for at `asked_at` (monotonic seconds); None: it has no such."""

    job: Job | None
    asked_at: float


def denies(answered: Job | None, known: Snapshot | None) -> bool:
    """Whether the primary, by what it said, does not know the version that is known here.

    It has none, or a lower one; or another state under the same number, which it has given anew since it lost ours.
    """
    if known is None:
        return False
    if answered is None or answered.version < known.job.version:
        return True
    return answered.version == known.job.version and answered.updated_at != known.job.updated_at


class Retracting(Protocol):
    """What all processes share, as far as it has to give way too."""

    def retract(self, ids: Collection[str], seen_at: float) -> None:
        """See `watch.source.Cache.retract`."""
        ...


class Setbacks:
    """Lets snapshots give way. Only the primary's word is reason to, and only where it has been given twice.

    Of one answer it cannot be told whether it was made before the version was committed. So both reads have to begin
    after the version was known here, the second after the first was answered; the version is still the same then.

    Args:
        topics: of the process.
        cache: what all processes share; it keeps the highest version, which is the lost one.
    """

    def __init__(self, topics: Topics, cache: Retracting) -> None:
        self._topics = topics
        self._cache = cache

    def give_way(self, topic: Topic, answered: Answered) -> None:
        """Take what the primary said twice, and tell all who follow."""
        if answered.job is None and topic.deletion_told:
            self._topics.bury(topic)  # nothing was lost, and whoever deleted it has told the cache
            return
        known = topic.snapshot.job if topic.snapshot else None
        lost = "version" if answered.job is not None else "job"
        metrics.SETBACKS.labels(lost).inc()
        _log.warning(
            "a snapshot gave way to the primary",
            job_id=topic.job_id,
            lost=lost,
            version=known and known.version,
            primary=answered.job and answered.job.version,
        )
        self._cache.retract([topic.job_id], answered.asked_at)
        if answered.job is None:
            self._topics.bury(topic)
        else:
            topic.set_back(answered.job)
            topic.confirmed_at = answered.asked_at
