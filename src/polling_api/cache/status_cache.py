"""The status cache as a process uses it: asked with a deadline, told beside whoever saw something."""

import time
from collections.abc import Callable, Collection

from polling_api.cache.reads import DEADLINE, CachedReads, Gone, Sighting
from polling_api.cache.redis import RedisStatuses
from polling_api.cache.refresher import Refresher
from polling_api.domain.job import Job
from polling_api.resilience.breaker import Breaker


class StatusCache:
    """One process's way to what all share. Nothing of it is needed by anybody: where Redis is away, all is a miss.

    Args:
        statuses: the cache itself.
        breaker: keeps readers from waiting for a Redis that does not answer; by `CACHE_CIRCUIT`.
        deadline: seconds for a look-up.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        statuses: RedisStatuses,
        breaker: Breaker,
        *,
        deadline: float = DEADLINE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._statuses = statuses
        self._reads = CachedReads(statuses.read, breaker, deadline=deadline, clock=clock)
        self._refresher = Refresher(statuses)

    async def get(self, job_id: str) -> Sighting | Gone | None:
        """See `CachedReads.get`."""
        return await self._reads.get(job_id)

    def offer(self, jobs: Collection[Job], seen_at: float, *, whole: bool = False) -> None:
        """See `Refresher.offer`."""
        self._refresher.offer(jobs, seen_at, whole=whole)

    def retract(self, ids: Collection[str], seen_at: float) -> None:
        """See `Refresher.retract`."""
        self._refresher.retract(ids, seen_at)

    async def claim_filling(self) -> bool:
        """See `RedisStatuses.claim_filling`; False where Redis does not answer."""
        try:
            return await self._statuses.claim_filling()
        except ConnectionError:
            return False

    async def filled(self) -> None:
        """Note that this Redis was filled, as far as it can be told; or it is filled once more."""
        await self._refresher.flushed()
        try:
            await self._statuses.filled()
        except ConnectionError:
            return

    async def flushed(self) -> None:
        """See `Refresher.flushed`."""
        await self._refresher.flushed()

    async def run(self) -> None:
        """Write what is offered until cancelled."""
        await self._refresher.run()

    async def close(self) -> None:
        """Give back connections."""
        await self._statuses.close()
