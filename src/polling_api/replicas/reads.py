"""Reads of jobs from whichever replica is fit for it: many at once, each id once at a time however many ask."""

from collections.abc import Callable, Collection, Mapping, Sequence
from math import isfinite

from polling_api import metrics
from polling_api.cache import Sighting
from polling_api.domain.job import Job
from polling_api.errors import Unavailable
from polling_api.replicas.beats import NEVER
from polling_api.replicas.replica import Replica
from polling_api.resilience.breaker import CircuitOpen
from polling_api.resilience.coalesce import CoalescedReads


class ReplicaReads:
    """Asks the replicas that are in rotation, by turns. None is needed: what they do not tell, the primary does.

    Args:
        replicas: all of them; none at all is fine.
        offer: told what was read, and the moment (monotonic seconds) up to which the replica had all of the primary.
        deadline: seconds that nobody waits longer, whichever is asked.
    """

    def __init__(
        self, replicas: Sequence[Replica], offer: Callable[[Collection[Job], float], None], *, deadline: float
    ) -> None:
        self._offer = offer
        self._replicas = replicas
        self._asked = 0
        self._reads = CoalescedReads(self._read, metrics.REPLICA_READS, source="replica", answer_within=deadline)

    async def get(self, job_id: str) -> Sighting | None:
        """What a replica knows of a job; None where that is nothing, or is not to be had in time. Never raises."""
        if not self._replicas:
            return None
        if not any(replica.in_rotation for replica in self._replicas):
            metrics.replica_lookups("skipped").inc()
            return None
        try:
            sighting = await self._reads.get(job_id)
        except (CircuitOpen, Unavailable):
            metrics.replica_lookups("failed").inc()
            return None
        if sighting is None:
            metrics.replica_lookups("miss").inc()
        return sighting

    async def _read(self, ids: Collection[str]) -> Mapping[str, Sighting]:
        fit = [replica for replica in self._replicas if replica.in_rotation]
        if not fit:
            raise Unavailable("No replica is in rotation.", retry_after=1)
        found = await self._next(fit).read(ids)
        at = min((sighting.at for sighting in found.values()), default=NEVER)
        if isfinite(at):
            self._offer([sighting.job for sighting in found.values()], at)
        return found

    def _next(self, fit: Sequence[Replica]) -> Replica:
        """The one that has least to do, and by turns among those."""
        self._asked += 1
        least = min(replica.under_way for replica in fit)
        free = [replica for replica in fit if replica.under_way == least]
        return free[self._asked % len(free)]
