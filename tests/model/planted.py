"""Mistakes that such a service is easily made with, each in the place of one part: the model has to find them all."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from model.postgres import following
from model.redis import Record, Redis
from polling_api.cache.keeping import Outcome
from polling_api.domain.job import Job
from polling_api.monitor.ledger import Ledger
from polling_api.replicas import Beats, Extent
from polling_api.representation import Snapshot
from polling_api.store.changes import Change
from polling_api.watch import Follower, StatusWatch, Topic
from polling_api.watch.loading import Sees, anybody


class PublishesFirst(Ledger):
    """Publishes before it commits: a message is told of what never comes to be, where the commit fails."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._present: dict[str, Job] = {}

    async def _save(self, changes: Sequence[Change]) -> dict[str, Job]:
        self._present = {tenure.job_id: tenure.claimed.job for tenure in self._held.values()} | self._present
        proposed = [following(self._present[one.job_id], one.transition) for one in changes]
        await self._publish(proposed, self._clock())
        self._present |= await super()._save(changes)
        return self._present


class ReadsFirst(StatusWatch):
    """Reads, and then registers: what is told between the two is told to nobody."""

    async def follow_all(self, ids: Collection[str], follower: Follower, sees: Sees = anybody) -> dict[str, Topic]:
        """As the watch does, the other way round."""
        read = await self._source.read([job_id for job_id in ids if self.live(job_id) is None])
        for job in read.values():
            self._topics.confirm(self._topics.of(job.id, self._clock()), job, self._clock())
        return await super().follow_all(ids, follower, sees)


class HearsNoGap(StatusWatch):
    """Goes on after a gap as if nothing had been missed."""

    def gap(self) -> None:
        """Do nothing."""


class BelievesItself(StatusWatch):
    """Answers with what it has, whatever whoever asks has seen."""

    async def at_least(self, job_id: str, version: int) -> Snapshot | None:
        """Ask nobody who may know more."""
        del version
        return await self.get(job_id)


class KeepsTheLast(Redis):
    """Keeps what was written last, whatever was there."""

    def keep(self, key: bytes, known: Record | None, new: Record) -> Outcome:
        """Do not compare."""
        return super().keep(key, None, new)


class Trusting(Beats):
    """Takes whatever a replica has for what the primary has."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock

    def extent(self, held: Iterable[str]) -> Extent:
        """Up to now, whatever it has."""
        return Extent(self._clock(), None)
