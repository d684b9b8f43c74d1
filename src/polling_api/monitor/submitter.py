"""Handing a job to the provider: at most once, whatever breaks in between."""

from collections.abc import Callable
from functools import partial

import structlog

from polling_api.domain.advance import SubmissionStarted
from polling_api.domain.job import Job, Status
from polling_api.monitor.decision import UPSTREAM_UNAVAILABLE, Patience, next_look, wait_after
from polling_api.monitor.ledger import Ledger, Point
from polling_api.monitor.tenure import LeaseLost, Tenure
from polling_api.providers.protocol import Batch, Provider, ProviderError, Rejected, Submission, Unanswered

# A request that got no answer may still be under way, and a list may lag behind its own creations. Looking
# for the batch sooner than this many seconds later could miss it, and make a second one.
SETTLING = 5.0
FIRST_BACKOFF = 1.0  # seconds: somebody is waiting for the job to begin

SCRIPT = "simulator"
"""The one member of a client's metadata that goes upstream."""

_log = structlog.get_logger(__name__)


class Submitter:
    """Submits jobs.

    The intention is committed before anything goes upstream, and the batch carries the job's id. So whoever
    finds a job in `submitting` without a batch looks for one first, and makes one only where there is none.

    Args:
        ledger: for all that is written.
        provider: takes the jobs.
        patience: how long to wait for what.
        at: see `Point`.
        chance: gives random numbers, from 0 to less than 1.
    """

    def __init__(
        self, ledger: Ledger, provider: Provider, patience: Patience, at: Point, chance: Callable[[], float]
    ) -> None:
        self._ledger = ledger
        self._provider = provider
        self._patience = patience
        self._at = at
        self._chance = chance

    async def submit(self, tenure: Tenure, job: Job) -> None:
        """Bring a job without a batch to one, or to its end; or leave it for a later try.

        Args:
            tenure: its lease.
            job: its present version.

        Raises:
            LeaseLost: the job is another monitor's.
            Unavailable: the database does not answer.
        """
        untouched = job.status is Status.QUEUED
        started = await self._ledger.record(tenure.claimed, job, SubmissionStarted())
        if started is None:
            return
        if untouched:
            await self._at("submission saved")
        try:
            batch = await self._batch_of(tenure, started, untouched=untouched)
        except Rejected as refusal:
            await self._ledger.settle(tenure.claimed, started, Status.FAILED, refusal.error)
        except ProviderError as error:
            await self._try_later(tenure, started, error)
        else:
            await self._remember(tenure, started, batch)

    async def _batch_of(self, tenure: Tenure, job: Job, *, untouched: bool) -> Batch | None:
        """The job's batch, found or made; None where there is none and none is wanted any more."""
        if not untouched:
            found = await self._provider.find(job.id, created_after=job.created_at)
            if found or job.status is not Status.SUBMITTING:
                return found
        await self._make_sure(tenure)
        await self._at("before create")
        tenure.settling = SETTLING
        batch = await self._provider.submit(
            Submission(
                job.id,
                job.endpoint,
                lambda: self._ledger.lines(job.id),
                job.metadata.get(SCRIPT),
                partial(self._make_sure, tenure),
            )
        )
        await self._at("created")
        return batch

    async def _make_sure(self, tenure: Tenure) -> None:
        """Go on only with a good part of the lease left: this process may have been stopped for a while.

        Asked before the input is read, and again before the batch is made: a slow database or upload may have used up
        the lease, and whoever claims the job next would look for a batch while ours is being made. What is stopped
        later is ended by the lease's own timer when it wakes.
        """
        enough = self._ledger.lease / 2
        if tenure.left < enough:
            await self._ledger.renew([tenure])
        if tenure.left < enough:
            raise LeaseLost(tenure.job_id)

    async def _remember(self, tenure: Tenure, job: Job, batch: Batch | None) -> None:
        if batch is None:
            asked = job.status is Status.CANCELLING
            await self._ledger.settle(tenure.claimed, job, Status.CANCELLED if asked else Status.EXPIRED, None)
            return
        if not await self._ledger.remember_batch(job.id, batch.id):
            await self._withdraw_a_second(job, batch)
            return
        tenure.settling = 0.0
        await self._at("batch remembered")
        _log.info("job submitted", job_id=job.id, batch_id=batch.id)
        wait = 0.0 if batch.observed.status.terminal else next_look(tenure.claimed, self._patience)
        await self._ledger.record(tenure.claimed, job, batch.observed, wait=wait, observed=True)

    async def _withdraw_a_second(self, job: Job, batch: Batch) -> None:
        """Cancel a batch that was made although the lease was lost, if another monitor made one as well."""
        _log.warning("lease lost while the batch was made", job_id=job.id, batch_id=batch.id)
        try:
            other = await self._provider.find(job.id, created_after=job.created_at)
            if other and other.id != batch.id:
                await self._provider.cancel(batch.id)
                _log.warning("second batch cancelled", job_id=job.id, batch_id=batch.id, kept=other.id)
        except ProviderError as error:
            _log.warning("second batch not looked for", job_id=job.id, batch_id=batch.id, reason=str(error))

    async def _try_later(self, tenure: Tenure, job: Job, error: ProviderError) -> None:
        claimed = tenure.claimed
        _log.warning("job not submitted", job_id=job.id, attempts=claimed.attempts + 1, reason=str(error))
        if claimed.age >= self._patience.submit_within:
            await self._ledger.settle(claimed, job, Status.FAILED, UPSTREAM_UNAVAILABLE)
            return
        failures = claimed.attempts + 1
        wait = wait_after(error, failures, first=FIRST_BACKOFF, chance=self._chance())
        refused = isinstance(error, Unanswered) and error.retry_after is not None
        if not refused:
            wait = max(wait, tenure.settling)
        await self._ledger.release([tenure.look(wait, failures, observed=False)])
