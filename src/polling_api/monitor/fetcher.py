"""The end of a job: a batch cancelled, its results brought home, its outcomes counted."""

from collections.abc import AsyncGenerator, Callable
from time import monotonic

import structlog

from polling_api.domain.job import Job
from polling_api.monitor.decision import (
    GiveUp,
    Patience,
    end_of,
    end_without_results,
    no_more_tries,
    tells_more_than_the_end,
    time_to_fetch,
    wait_after,
)
from polling_api.monitor.intake import Fetched, take_in, within
from polling_api.monitor.ledger import Ledger
from polling_api.monitor.tenure import Tenure
from polling_api.providers.protocol import Batch, Provider, ProviderError, Unanswered
from polling_api.store.leases import Claimed

FETCH_WITHIN = 7200.0  # seconds for one try: two files, of which the provider's client gives each an hour
FIRST_BACKOFF = 1.0  # seconds: somebody is waiting for the end
CONFIRMED_WITHIN = 2.0  # seconds until a look at what became of a cancel, unless looks are more frequent anyway

_log = structlog.get_logger(__name__)


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
        claimed, began = tenure.claimed, monotonic()
        try:
            fetched = await self._store_all(job, batch, claimed)
        except (ProviderError, TimeoutError) as error:
            _log.warning("results not fetched", job_id=job.id, batch_id=batch.id, reason=str(error) or "too slow")
            now = claimed.after(monotonic() - began)
            out_of_time = now.deadline_passed and isinstance(error, TimeoutError)
            if out_of_time or no_more_tries(now, self._patience):
                await self._ledger.settle(now, job, *end_without_results(batch, now))
            else:
                await self._try_later(tenure, error)
            return
        _log.info("results fetched", job_id=job.id, told=fetched.told, new=fetched.new)
        if fetched.strays:
            _log.warning("results that fit no item", job_id=job.id, batch_id=batch.id, **fetched.strays)
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
        await self._ledger.release([tenure.look(wait, 0, observed=True)])

    async def give_up(self, tenure: Tenure, job: Job, end: GiveUp) -> None:
        """End a job with what is stored."""
        await self._ledger.settle(tenure.claimed, job, end.status, end.error)

    async def _store_all(self, job: Job, batch: Batch, claimed: Claimed) -> Fetched:
        told = self._provider.results(batch)
        seconds = time_to_fetch(claimed, self._patience, FETCH_WITHIN)
        try:
            return await take_in(
                self._ledger,
                job.id,
                within(told, seconds),
                lambda result: tells_more_than_the_end(result, batch, claimed),
            )
        finally:
            if isinstance(told, AsyncGenerator):
                await told.aclose()  # else its connection lives until the garbage collector finds it

    async def _try_later(self, tenure: Tenure, error: Exception) -> None:
        failures = tenure.claimed.attempts + 1
        cause = error if isinstance(error, ProviderError) else Unanswered("too slow")
        wait = wait_after(cause, failures, first=FIRST_BACKOFF, chance=self._chance())
        await self._ledger.release([tenure.look(wait, failures, observed=False)])
