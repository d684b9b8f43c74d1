"""What is watched, compared with the primary again and again: the bound on how long a lost notice goes unnoticed."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from math import isfinite
from typing import NamedTuple, Protocol

import structlog

from polling_api import metrics
from polling_api.domain.job import Job
from polling_api.domain.pace import Strain
from polling_api.errors import Unavailable
from polling_api.watch.bounds import Bounds
from polling_api.watch.contact import Contact
from polling_api.watch.setbacks import Answered, Setbacks, denies
from polling_api.watch.source import Cache, Source
from polling_api.watch.topic import Topic
from polling_api.watch.topics import Topics

COMPARED_AT_ONCE = 1_000  # ids in one statement

_log = structlog.get_logger(__name__)


class _Compared(NamedTuple):
    """What the primary said: what it knows, what it knows less of than is known here, whose provider is silent."""

    confirmed: Mapping[str, Job]
    denied: Mapping[str, Job | None]
    strained: Mapping[str, Strain]


class Ear(Protocol):
    """What the watch needs to know of the hub."""

    @property
    def listening(self) -> bool:
        """Whether notices are being heard now."""
        ...


class Comparison:
    """Brings topics up to date that a notice did not reach, and forgets those that nobody uses.

    Args:
        topics: of the process.
        source: the primary.
        cache: is told what the primary said of all that is asked for again and again.
        ear: the hub; while it hears nothing, comparisons come more often.
        contact: told whether the primary answers.
        bounds: figures.
        clock: monotonic seconds.

    Attributes:
        strained: what was watched at the last comparison and has a provider that does not answer.
    """

    def __init__(
        self,
        topics: Topics,
        source: Source,
        cache: Cache,
        ear: Ear,
        contact: Contact,
        bounds: Bounds,
        clock: Callable[[], float],
    ) -> None:
        self._topics = topics
        self._source = source
        self._cache = cache
        self._compared_at = float("-inf")
        self._succeeded_at = float("-inf")
        self._number = 0
        self._ear = ear
        self._contact = contact
        self._bounds = bounds
        self._clock = clock
        self._setbacks = Setbacks(topics, cache)
        self._now = asyncio.Event()
        self.strained: Mapping[str, Strain] = {}

    def hasten(self) -> None:
        """Compare now, instead of when the pause is over."""
        self._now.set()

    @property
    def followed_since(self) -> float:
        """What was confirmed before this moment is too old when the next comparison comes to it, to be followed.

        Only what came from the cache can be: all else was compared, or read, since the last comparison began.
        """
        return self._succeeded_at - (self._bounds.oldest_answer - self._bounds.compare_every)

    async def run(self) -> None:
        """Compare again and again, until cancelled."""
        while True:
            self._now.clear()
            self._topics.drop_unused(self._clock() - self._bounds.idle)
            try:
                with metrics.COMPARISONS.time():
                    await self._compare()
            except Unavailable as error:
                _log.warning("comparison failed", reason=error.detail)
            pause = self._bounds.compare_every if self._ear.listening else self._bounds.compare_when_deaf
            try:
                async with asyncio.timeout(pause):
                    await self._now.wait()
            except TimeoutError:
                pass

    async def _compare(self) -> None:
        compared_at, self._compared_at = self._compared_at, self._clock()
        self._number += 1
        topics = [topic for topic in self._topics if topic.snapshot]
        self._tell_age(topics)
        watched = iter([(topic.job_id, topic) for topic in topics])
        strained = dict[str, Strain]()
        while some := dict(islice(watched, COMPARED_AT_ONCE)):
            strained.update(await self._compare_some(some, used_since=compared_at))
        self.strained = strained
        self._succeeded_at = self._compared_at

    async def _compare_some(self, topics: Mapping[str, Topic], *, used_since: float) -> Mapping[str, Strain]:
        asked_at = self._clock()
        compared = await self._ask(topics)
        doubted = {job_id: topics[job_id] for job_id in compared.denied}
        if doubted:
            again_at = self._clock()  # after the first answer: a read that was under way does not stand for two
            for job_id, job in (await self._ask(doubted)).denied.items():
                self._setbacks.give_way(doubted[job_id], Answered(job, again_at))
        hot = [job for job_id, job in compared.confirmed.items() if self._is_hot(topics[job_id], used_since)]
        self._cache.offer(hot, asked_at)
        return compared.strained

    async def _ask(self, topics: Mapping[str, Topic]) -> _Compared:
        """Ask the primary once, and take what is newer there."""
        asked_at = self._clock()
        known = {job_id: topic.snapshot for job_id, topic in topics.items() if topic.snapshot}
        with self._contact.asking():
            differences = await self._source.differing([snapshot.job for snapshot in known.values()])
        told: dict[str, Job | None] = dict.fromkeys(differences.missing)
        told |= {job.id: job for job in differences.changed}
        confirmed: dict[str, Job] = {}
        denied: dict[str, Job | None] = {}
        for job_id, snapshot in known.items():
            topic, job = topics[job_id], told.get(job_id, snapshot.job)
            if job is None or denies(job, snapshot):
                if topic.snapshot is snapshot and not topic.gone:  # else it is of a moment before what is known now
                    denied[job_id] = job
                continue
            confirmed[job_id] = job
            topic.confirmed_at = max(topic.confirmed_at, asked_at)
            if job is not snapshot.job and topic.take(job):
                metrics.MADE_UP.inc()
        return _Compared(confirmed, denied, differences.strained)

    def _is_hot(self, topic: Topic, used_since: float) -> bool:
        """Whether it was asked for since the comparison before, and before that since the one before it.

        Only then is it likely to be asked for elsewhere while what is kept of it is fresh. A renewal for each poll of
        a job that one client polls twice a minute would be for nothing.
        """
        if topic.used_at < used_since:
            return False
        before, topic.asked_in = topic.asked_in, self._number
        return before == self._number - 1

    def _tell_age(self, topics: Iterable[Topic]) -> None:
        confirmed = min((topic.confirmed_at for topic in topics), default=float("-inf"))
        if isfinite(confirmed):
            metrics.snapshot_age("live").observe(self._clock() - confirmed)
