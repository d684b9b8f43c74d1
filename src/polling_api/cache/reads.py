"""Reads of the status cache that nobody waits for: many at once, with a deadline, behind a circuit breaker."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import NamedTuple

import structlog

from polling_api import metrics
from polling_api.cache.record import Found
from polling_api.domain.job import Job
from polling_api.errors import Unavailable
from polling_api.resilience.breaker import Breaker, CircuitOpen, Policy
from polling_api.resilience.coalesce import CoalescedReads

DEADLINE = 0.02  # seconds: a read of the primary takes a few milliseconds, so longer is no help
SET_BACK = 0.05  # seconds: a stamp from further ahead is of a clock that was set, or another's, and says nothing
# A look-up that fails costs its deadline and then a read of the primary, as it would have been without.
CACHE_CIRCUIT = Policy(window=5, fewest=10, failure_share=0.5, open_first=0.5, open_most=5)

_log = structlog.get_logger(__name__)


class Sighting(NamedTuple):
    """A version of a job, and when it was the newest in the primary, in monotonic seconds of this process."""

    job: Job
    at: float


class Gone(NamedTuple):
    """Of a job whose record was taken back: it was deleted, or a failover has lost what was known of it."""

    job_id: str


class CachedReads:
    """Looks jobs up, each once at a time however many ask, and many in one round trip.

    A caller waits no longer than the deadline; the exchange itself may go on, so that a new connection that takes
    longer than that is there for the next one.

    Args:
        read: one bounded read of many ids; raises `ConnectionError`.
        breaker: by `CACHE_CIRCUIT`.
        deadline: seconds.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        read: Callable[[Collection[str]], Awaitable[Mapping[str, Found]]],
        breaker: Breaker,
        *,
        deadline: float = DEADLINE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._breaker = breaker
        self._deadline = deadline
        self._clock = clock
        self._reads = CoalescedReads(self._sightings, metrics.CACHE_READS, source="redis")

    async def get(self, job_id: str) -> Sighting | Gone | None:
        """What is known of a job; None where that is nothing, or is not to be had in time. Never raises."""
        try:
            with self._breaker.attempt():
                async with asyncio.timeout(self._deadline):
                    sighting = await self._reads.get(job_id)
        except CircuitOpen:
            metrics.cache_lookups("skipped").inc()
            return None
        except (OSError, Unavailable):
            metrics.cache_lookups("failed").inc()
            return None
        if sighting is None or isinstance(sighting, Gone):
            metrics.cache_lookups("miss").inc()
        return sighting

    async def _sightings(self, ids: Collection[str]) -> Mapping[str, Sighting | Gone]:
        asked_at = self._clock()
        found = await self._read(ids)
        sightings: dict[str, Sighting | Gone] = {}
        for job_id, (notice, age) in found.items():
            if notice is None:
                metrics.cache_lookups("gone").inc()
                sightings[job_id] = Gone(job_id)
                continue
            if age < -SET_BACK:
                metrics.cache_lookups("ageless").inc()
                continue
            try:
                sightings[job_id] = Sighting(notice.job(), min(asked_at - age, asked_at))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                metrics.cache_lookups("unreadable").inc()
                _log.warning("a cached status that cannot be read", job_id=job_id, reason=repr(error))
        return sightings
