"""What is known of a job without asking the primary: by the status cache, else by a replica; and if that will do."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from prometheus_client import Counter

from polling_api import metrics
from polling_api.cache import Gone, Sighting
from polling_api.domain.job import Job
from polling_api.watch.setbacks import denies
from polling_api.watch.source import Cache, Copy
from polling_api.watch.topic import Topic

Sees = Callable[[Job], bool]
"""Whether whoever asks may know of a job."""


class Known(NamedTuple):
    """What copies have told.

    Attributes:
        answer: what may be answered with, None where the primary has to be asked.
        kept: the newest that was told, for answers that say how old they are.
    """

    answer: Sighting | None = None
    kept: Sighting | None = None


NOTHING = Known()


class _Asked(NamedTuple):
    name: str
    copy: Copy
    lookup: Callable[[str], Counter]


class Copies:
    """Asks the copies, the nearest first, until one tells what may be answered with.

    What one tells counts as seen when the primary confirmed it, never as fresh as a read. It is no answer where it is
    too old, or less than what is known here or was told by another; or where it is not the asker's, since a job of
    somebody else's takes the missing one's road to its end. What the cache says is gone was deleted, or lost: a replica
    might not know that yet.

    Args:
        cache: what all processes share.
        replicas: of the primary; None for none.
        oldest_answer: seconds; what was confirmed before that is no answer.
        clock: monotonic seconds.
    """

    def __init__(self, cache: Cache, replicas: Copy | None, oldest_answer: float, clock: Callable[[], float]) -> None:
        self._asked = [_Asked("redis", cache, metrics.cache_lookups)]
        if replicas is not None:
            self._asked.append(_Asked("replica", replicas, metrics.replica_lookups))
        self._oldest_answer = oldest_answer
        self._clock = clock

    async def look(self, topics: Collection[Topic], sees: Sees, since: float) -> Mapping[str, Known]:
        """See what they know of some topics' jobs. All of them are looked up in one before any is in the next.

        Else a look-up of many that takes too long for some would scatter the rest over several statements.

        Args:
            topics: of the jobs.
            sees: of whoever asks.
            since: monotonic seconds; what was seen before that is not enough.

        Returns:
            What is known of each job, by its id.
        """
        known = {topic.job_id: NOTHING for topic in topics}
        for asked in self._asked if topics else ():
            told = await _all_of([asked.copy.get(topic.job_id) for topic in topics])
            left: list[Topic] = []
            for topic, one in zip(topics, told, strict=True):
                if isinstance(one, Gone):
                    continue
                known[topic.job_id] = found = self._found(asked, one, topic, known[topic.job_id].kept, sees, since)
                if found.answer is None:
                    left.append(topic)
            topics = left
            if not left:
                break
        return known

    def _found(
        self, asked: _Asked, told: Sighting | None, topic: Topic, kept: Sighting | None, sees: Sees, since: float
    ) -> Known:
        if told is None:
            return Known(kept=kept)
        outcome = self._judged(asked.name, told, topic, kept, sees, since)
        asked.lookup(outcome).inc()
        if outcome == "hit":
            metrics.snapshot_reads(asked.name).inc()
            return Known(answer=told)
        newer = kept is None or (told.job.version, told.at) > (kept.job.version, kept.at)
        return Known(kept=told if newer else kept)

    def _judged(
        self, name: str, told: Sighting, topic: Topic, before: Sighting | None, sees: Sees, since: float
    ) -> str:
        now = self._clock()
        metrics.snapshot_age(name).observe(now - told.at)
        if told.at < max(since, now - self._oldest_answer):
            return "old"
        if denies(told.job, topic.snapshot) or (before is not None and told.job.version < before.job.version):
            return "older"
        return "hit" if sees(told.job) else "foreign"


async def _all_of(lookups: Sequence[Awaitable[Sighting | Gone | None]]) -> Sequence[Sighting | Gone | None]:
    return [await lookups[0]] if len(lookups) == 1 else await asyncio.gather(*lookups)
