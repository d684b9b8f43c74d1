"""The end of a job: a batch cancelled, its results brought home, its outcomes counted."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

import structlog

from polling_api.domain.job import Job
from polling_api.domain.result import ItemResult
from polling_api.monitor.decision import (
    GiveUp,
    Patience,
    end_of,
    end_without_results,
    no_more_tries,
    tells_more_than_the_end,
    wait_after,
)
from polling_api.monitor.ledger import Ledger
from polling_api.monitor.tenure import Tenure
from polling_api.providers.protocol import Batch, Provider, ProviderError, Unanswered
from polling_api.store.leases import Claimed, Look

MOST_ROWS = 1000  # a transaction: a longer one hides later commits from those who replay
MOST_CHARACTERS = 4 * 1024 * 1024  # a chunk: what an errand holds in memory
FETCH_WITHIN = 7200.0  # seconds for one try: two files, of which the provider's client gives each an hour
FIRST_BACKOFF = 1.0  # seconds: somebody is waiting for the end
CONFIRMED_WITHIN = 2.0  # seconds until a look at what became of a cancel, unless looks are more frequent anyway

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Fetched:
    """What one try brought: `told` by the provider, `new` here, `unknown` to the job."""

    told: int = 0
    new: int = 0
    unknown: int = 0


class Fetcher:
    """Ends jobs.

    Args:
        ledger: for all that is written.
        provider: has the results.
        patience: how long to wait for what.
        chance: gives random numbers, from 0 to less than 1.
    """

    def __init__(self, ledger: Ledger, provider: Provider, patience: Patience, chance: Callable[[], float]) -> None:
        self._ledger = ledger
        self._provider = provider
        self._patience = patience
        self._chance = chance

    async def fetch(self, tenure: Tenure, job: Job, batch: Batch) -> None:
        """Store every result of an ended batch, and end the job; or leave it for a later try.

        A try that broke off is begun again from the start: what is stored already stays as it is.

        Raises:
            Unavailable: the database does not answer.
        """
        claimed = tenure.claimed
        try:
            async with asyncio.timeout(self._time_for(tenure)):
                fetched = await self._store_all(job, batch, claimed)
        except (ProviderError, TimeoutError) as error:
            _log.warning("results not fetched", job_id=job.id, batch_id=batch.id, reason=str(error) or "too slow")
            if no_more_tries(claimed, self._patience):
                await self._ledger.settle(claimed, job, *end_without_results(batch, claimed))
            else:
                await self._try_later(tenure, error)
            return
        _log.info("results fetched", job_id=job.id, told=fetched.told, new=fetched.new, unknown=fetched.unknown)
        await self._ledger.settle(claimed, job, *end_of(batch, claimed))

    async def cancel(self, tenure: Tenure, batch_id: str) -> None:
        """Ask the provider to cancel, and look soon what came of it."""
        try:
            await self._provider.cancel(batch_id)
        except ProviderError as error:
            _log.warning("batch not cancelled", job_id=tenure.job_id, batch_id=batch_id, reason=str(error))
            await self._try_later(tenure, error)
            return
        wait = min(self._patience.interval, CONFIRMED_WITHIN)
        await self._ledger.release([Look(tenure.job_id, wait, 0, observed=True)])

    async def give_up(self, tenure: Tenure, job: Job, end: GiveUp) -> None:
        """End a job with what is stored."""
        await self._ledger.settle(tenure.claimed, job, end.status, end.error)

    async def _store_all(self, job: Job, batch: Batch, claimed: Claimed) -> Fetched:
        fetched = Fetched()
        results = self._provider.results(batch)
        try:
            async for chunk in chunks(results):
                kept = [result for result in chunk if tells_more_than_the_end(result, batch, claimed)]
                added = await self._ledger.store_results(job.id, kept)
                fetched.told += len(chunk)
                fetched.new += added.new
                fetched.unknown += added.unknown
        finally:
            if isinstance(results, AsyncGenerator):
                await results.aclose()  # else its connection lives until the garbage collector finds it
        return fetched

    def _time_for(self, tenure: Tenure) -> float:
        """Seconds for one try; after the job's own deadline not much longer than may be waited at all."""
        return self._patience.after_deadline if tenure.claimed.deadline_passed else FETCH_WITHIN

    async def _try_later(self, tenure: Tenure, error: Exception) -> None:
        failures = tenure.claimed.attempts + 1
        cause = error if isinstance(error, ProviderError) else Unanswered("too slow")
        wait = wait_after(cause, failures, first=FIRST_BACKOFF, chance=self._chance())
        await self._ledger.release([Look(tenure.job_id, wait, failures, observed=False)])


async def chunks(results: AsyncIterator[ItemResult]) -> AsyncIterator[list[ItemResult]]:
    """Gather results, at most 1,000 and some 4 MiB at a time.

    Raises:
        ProviderError: the stream broke; what came before has been yielded.
    """
    chunk: list[ItemResult] = []
    size = 0
    try:
        async for result in results:
            chunk.append(result)
            size += len(result.response or "")
            if len(chunk) >= MOST_ROWS or size >= MOST_CHARACTERS:
                yield chunk
                chunk, size = [], 0
    except ProviderError:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk
