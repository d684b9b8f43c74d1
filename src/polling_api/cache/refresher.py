"""Tells Redis what was seen in the primary, beside whoever saw it: nobody waits for that."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import islice
from typing import NamedTuple, Protocol

import structlog

from polling_api import metrics
from polling_api.cache.keeping import MOST_AT_ONCE, Outcome
from polling_api.cache.record import GONE, Entry
from polling_api.domain.job import Job
from polling_api.hub import Notice

MOST_WAITING = 20_000  # jobs, as many as a process watches; they are its snapshots' own, and cost a few bytes each
GATHERED_FOR = 0.005  # seconds: what is read at one time is written together
REST = 1.0  # seconds after a failure: what was seen meanwhile is seen again by the next comparison

_log = structlog.get_logger(__name__)


class Keeper(Protocol):
    """Writes a few versions within a bounded time."""

    async def keep(self, entries: Sequence[Entry]) -> list[Outcome]:
        """See `RedisStatuses.keep`."""
        ...


class _Seen(NamedTuple):
    job: Job
    at: float
    whole: bool


class _Retracted(NamedTuple):
    job_id: str
    at: float


class Refresher:
    """Renews what is kept, and writes what is lacking; many jobs in one command.

    Args:
        keeper: the cache.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._waiting: dict[str, _Seen | _Retracted] = {}
        self._wake = asyncio.Event()
        self._done = asyncio.Event()
        self._done.set()

    def offer(self, jobs: Collection[Job], seen_at: float, *, whole: bool = False) -> None:
        """Have versions kept that were the newest in the primary at `seen_at`; never waits, never raises.

        Args:
            jobs: the versions.
            seen_at: monotonic seconds, before the primary was asked.
            whole: whether they are hardly there already; otherwise that is found out first, for a tenth of the bytes.
        """
        for job in jobs:
            # A retraction comes first: what is written before it would be taken for older than what it takes back.
            if not isinstance(self._waiting.get(job.id), _Retracted):
                self._put(job.id, _Seen(job, seen_at, whole))

    def retract(self, ids: Collection[str], seen_at: float) -> None:
        """Have nothing answered with that is kept of some jobs; never waits, never raises.

        A failover lost what is kept, and no version that the primary still has could take its place. So it is
        written over as if the job had been deleted, for as long as a write of what was lost can live: until then
        readers find nothing, and go on to the primary.

        Args:
            ids: the jobs.
            seen_at: monotonic seconds, before the primary was asked.
        """
        for job_id in ids:
            self._put(job_id, _Retracted(job_id, seen_at))

    def _put(self, job_id: str, what: _Seen | _Retracted) -> None:
        if job_id not in self._waiting and len(self._waiting) >= MOST_WAITING:
            metrics.cache_writes("dropped").inc()
            return
        self._waiting[job_id] = what
        self._done.clear()
        self._wake.set()

    async def flushed(self) -> None:
        """Return when all that was offered has been written or given up."""
        await self._done.wait()

    async def run(self) -> None:
        """Write what is offered until cancelled."""
        with suppress(ConnectionError):
            await self._keeper.keep([])  # Redis tells its time, so that what is published first is kept too
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(GATHERED_FOR)
            while self._waiting:
                some = [self._waiting.pop(job_id) for job_id in list(islice(self._waiting, MOST_AT_ONCE))]
                if not await self._write(some):
                    metrics.cache_writes("dropped").inc(len(self._waiting))
                    self._waiting.clear()
                    await asyncio.sleep(REST)
            self._done.set()

    async def _write(self, some: Sequence[_Seen | _Retracted]) -> bool:
        try:
            entries = [_entry(seen) for seen in some]
            # The first answer of a Redis tells its time, without which nothing is kept.
            outcomes = await self._keeper.keep(entries) or await self._keeper.keep(entries)
            lacking = [
                _entry(seen._replace(whole=True))
                for seen, outcome in zip(some, outcomes, strict=True)
                if outcome is Outcome.LACKING and isinstance(seen, _Seen)
            ]
            if lacking:
                await self._keeper.keep(lacking)
        except ConnectionError as error:
            metrics.cache_writes("failed").inc(len(some))
            _log.warning("statuses not cached", count=len(some), reason=str(error))
            return False
        return True


def _entry(seen: _Seen | _Retracted) -> Entry:
    if isinstance(seen, _Retracted):
        return Entry(seen.job_id, GONE, seen.at)
    if seen.whole:
        return Entry.of(Notice.of(seen.job), seen.at)
    return Entry(seen.job.id, seen.job.version, seen.at)
