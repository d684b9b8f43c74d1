"""Reads of jobs that are not live here: of a copy, where what it tells may be answered with, else of the primary."""

from collections.abc import Callable, Collection, Mapping

from polling_api import metrics
from polling_api.cache import Sighting
from polling_api.domain.job import Job
from polling_api.errors import Unavailable
from polling_api.resilience.backoff import jittered
from polling_api.resilience.coalesce import RETRY_AFTER, CoalescedReads
from polling_api.watch.bounds import Bounds
from polling_api.watch.contact import Contact
from polling_api.watch.copies import NOTHING, Copies, Known, Sees
from polling_api.watch.setbacks import Answered, Setbacks, denies
from polling_api.watch.source import Cache, Copy, Source
from polling_api.watch.topic import Topic
from polling_api.watch.topics import Topics

NEVER = float("-inf")  # when what was only heard of, or is doubted, was confirmed
MOST_ASKED = 4  # reads of the primary for one answer: one that began too early, two that deny, and one for a change


def anybody(_job: Job) -> bool:
    """Whoever asks may know of every job."""
    return True


class Loading:
    """Loads topics, each once at a time however many ask.

    Args:
        topics: of the process.
        source: the primary.
        cache: what all processes share.
        contact: told whether the primary answers.
        bounds: figures.
        clock: monotonic seconds.
        replicas: of the primary; None for none.
    """

    def __init__(
        self,
        topics: Topics,
        source: Source,
        cache: Cache,
        contact: Contact,
        bounds: Bounds,
        clock: Callable[[], float],
        replicas: Copy | None = None,
    ) -> None:
        self._topics = topics
        self._source = source
        self._cache = cache
        self._contact = contact
        self._copies = Copies(cache, replicas, bounds.oldest_answer, clock)
        self._clock = clock
        self._setbacks = Setbacks(topics, cache)
        self._reads = CoalescedReads(self._read, metrics.READS, answer_within=bounds.answer_within)

    async def look(self, ids: Collection[str], sees: Sees, since: float) -> Mapping[str, Known]:
        """What copies tell of some jobs, for `load`; see `Copies.look`."""
        topics = [self._topics.of(job_id, self._clock()) for job_id in ids]
        # What is said to be deleted may still be in a copy for a while.
        asked = [topic for topic in topics if not topic.deletion_told]
        return {**dict.fromkeys(ids, NOTHING), **await self._copies.look(asked, sees, since)}

    async def load(
        self,
        job_id: str,
        sees: Sees = anybody,
        *,
        since: float = NEVER,
        fresh: bool = False,
        known: Known | None = None,
    ) -> Topic | None:
        """Bring a topic up to date; None where there is no such job.

        Args:
            job_id: the job.
            sees: of whoever asks.
            since: monotonic seconds; what was seen before that is not enough.
            fresh: ask the primary, and join no read that has begun: for who knows of a change.
            known: what copies have told; None where they have not been asked.

        Raises:
            Unavailable: the primary does not answer.
        """
        topic = self._topics.of(job_id, self._clock())
        try:
            if known is None:
                known = NOTHING if fresh else (await self.look([job_id], sees, since))[job_id]
            if known.answer is not None:
                self._confirm(topic, known.answer)
                return topic
            return await self._from_primary(topic, known.kept, since=since, fresh=fresh)
        finally:
            self._topics.forget_unread(topic)

    async def _from_primary(self, topic: Topic, kept: Sighting | None, *, since: float, fresh: bool) -> Topic | None:
        try:
            answered = await self._agreed(topic, since=since, fresh=fresh)
        except Unavailable:
            if kept is not None:
                self._topics.confirm(topic, kept.job, kept.at)
            raise
        if denies(answered.job, topic.snapshot) and not topic.gone:
            self._setbacks.give_way(topic, answered)
        if answered.job is None:
            self._topics.bury(topic)
            return None
        self._confirm(topic, Sighting(answered.job, answered.asked_at))
        return topic

    async def _agreed(self, topic: Topic, *, since: float, fresh: bool) -> Answered:
        """What the primary said after `since`; where it denies what is known here, it said so twice.

        Once is enough for a deletion that was told: that is a second word for it.
        """
        denied, since = None, min(since, self._clock())  # what is asked from now on is never too old
        for _ in range(MOST_ASKED):
            known, began = topic.snapshot, self._clock()
            with self._contact.asking():
                answered = await self._reads.get(topic.job_id, fresh=fresh)
            fresh = True
            if answered is None or answered.asked_at < since:
                continue  # it joined a read that had begun long ago
            if not denies(answered.job, topic.snapshot):
                return answered
            if known is topic.snapshot and answered.asked_at >= began:
                if denied is known or (answered.job is None and topic.deletion_told):
                    return answered
                denied = known
        raise Unavailable("The primary contradicts what is known.", retry_after=jittered(RETRY_AFTER))

    def _confirm(self, topic: Topic, seen: Sighting) -> None:
        topic.used_at = self._clock()
        self._topics.confirm(topic, seen.job, seen.at)

    async def _read(self, ids: Collection[str]) -> Mapping[str, Answered]:
        asked_at = self._clock()
        found = await self._source.read(ids)
        self._cache.offer(found.values(), asked_at, whole=True)
        return {job_id: Answered(found.get(job_id), asked_at) for job_id in ids}
