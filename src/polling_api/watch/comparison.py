"""What is watched, compared with the primary again and again: the bound on how long a lost notice goes unnoticed."""

import asyncio
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Protocol

import structlog

from polling_api import metrics
from polling_api.domain.pace import Strain
from polling_api.errors import Unavailable
from polling_api.watch.bounds import Bounds
from polling_api.watch.contact import Contact
from polling_api.watch.source import Source
from polling_api.watch.topic import Topic
from polling_api.watch.topics import Topics

COMPARED_AT_ONCE = 1_000  # ids in one statement

_log = structlog.get_logger(__name__)


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
        ear: Ear,
        contact: Contact,
        bounds: Bounds,
        clock: Callable[[], float],
    ) -> None:
        self._topics = topics
        self._source = source
        self._ear = ear
        self._contact = contact
        self._bounds = bounds
        self._clock = clock
        self._now = asyncio.Event()
        self.strained: Mapping[str, Strain] = {}

    def hasten(self) -> None:
        """Compare now, instead of when the pause is over."""
        self._now.set()

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
        watched = iter([(topic.job_id, topic) for topic in self._topics if topic.snapshot])
        strained = dict[str, Strain]()
        while some := dict(islice(watched, COMPARED_AT_ONCE)):
            strained.update(await self._compare_some(some))
        self.strained = strained

    async def _compare_some(self, topics: Mapping[str, Topic]) -> Mapping[str, Strain]:
        asked_at = self._clock()
        known = {job_id: topic.snapshot.job.version for job_id, topic in topics.items() if topic.snapshot}
        with self._contact.asking():
            differences = await self._source.differing(known)
        for topic in topics.values():
            topic.confirmed_at = max(topic.confirmed_at, asked_at)
        for job in differences.changed:
            if topics[job.id].take(job):
                metrics.MADE_UP.inc()
        for job_id in differences.missing:
            self._topics.bury(topics[job_id])
        return differences.strained
