"""What is to be done with a job that was looked at. Pure: values in, values out."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from polling_api.domain.advance import CancelRequested, DeadlinePassed, Transition, advance
from polling_api.domain.job import Job, JobError, Outcome, Status
from polling_api.domain.pace import SOONEST, poll_after
from polling_api.domain.result import ItemResult
from polling_api.providers.protocol import Batch, ProviderError, Unanswered, UnknownBatch
from polling_api.resilience.backoff import full_jitter, not_before
from polling_api.store.changes import Change
from polling_api.store.leases import Claimed

UNKNOWN_IS_LOST = 3  # looks in a row: a list may lag behind its own creations, but not for so long
LONGEST_BACKOFF = 60.0  # seconds: an outage that has ended is noticed within a minute
LONGEST_RETRY_AFTER = 3600.0  # seconds: no garbled header parks a job for a year

UPSTREAM_LOST = JobError("upstream_lost", "The provider no longer knows the batch.")
UPSTREAM_FAILED = JobError("upstream_failed", "The provider failed the batch and gave no reason.")
UPSTREAM_UNAVAILABLE = JobError("upstream_unavailable", "The provider could not take the job in time.")
RESULTS_UNAVAILABLE = JobError("results_unavailable", "The provider's results could not be fetched in time.")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a monitor waits for what, in seconds.

    Attributes:
        interval: between two looks at a job.
        submit_within: until a job that the provider could not take has failed.
        after_deadline: from a job's own deadline until it ends with what there is.
        after_upstream: from the end upstream, or the provider's own deadline, until a job whose results
            cannot be had, or of which the provider tells no end, ends with what there is.
    """

    interval: float
    submit_within: float = 86_400
    after_deadline: float = 600
    after_upstream: float = 86_400


@dataclass(frozen=True, slots=True)
class Submit:
    """Hand the job over; where that may have been done before, look for its batch first."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask the provider to cancel."""

    batch_id: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Bring the results of an ended batch home, and end the job."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End the job with what is stored."""

    status: Status
    error: JobError | None = None


Errand = Submit | Cancel | Fetch | GiveUp


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a job after a look.

    Attributes:
        transition: its next version, if there is one.
        errand: slow work to be done for it now; the lease is kept for that.
        wait: without an errand, seconds until the next look.
        failures: looks in a row that came to nothing.
        observed: whether the provider answered.
    """

    transition: Transition | None = None
    errand: Errand | None = None
    wait: float = 0.0
    failures: int = 0
    observed: bool = False


def not_ours(claimed: Claimed, patience: Patience) -> Decision:
    """Decide about a job of another provider: it is left to a monitor that has that one.

    A simulated job, submitted by anybody, must not spend a real provider's money after a change of settings; and
    this provider's not knowing its batch means nothing.
    """
    if _overdue(claimed, patience):
        return Decision(errand=GiveUp(Status.EXPIRED))
    return Decision(wait=patience.interval, failures=claimed.attempts)


def before_submission(claimed: Claimed, patience: Patience) -> Decision:
    """Decide about a job that has no batch, as far as is known."""
    if _overdue(claimed, patience):
        return Decision(errand=GiveUp(Status.EXPIRED))
    transition = _wish(claimed)
    ended = transition is not None and transition.status.terminal
    return Decision(transition, None if ended else Submit())


def after_look(
    claimed: Claimed,
    answer: Batch | ProviderError,
    *,
    unknown_in_a_row: int,
    patience: Patience,
    chance: float,
) -> Decision:
    """Decide about a job after the provider was asked.

    Args:
        claimed: the job.
        answer: the provider's.
        unknown_in_a_row: how often, with this time, the provider has not known the batch.
        patience: how long to wait for what.
        chance: a random number, from 0 to less than 1, to spread the next tries.
    """
    if isinstance(answer, Batch) and answer.observed.status.terminal:
        return Decision(advance(claimed.job, answer.observed, now=claimed.now), Fetch(answer), observed=True)
    if _overdue(claimed, patience):
        return Decision(errand=GiveUp(Status.EXPIRED))
    if isinstance(answer, Batch):
        return _while_it_runs(claimed, answer, patience)
    if isinstance(answer, UnknownBatch) and unknown_in_a_row >= UNKNOWN_IS_LOST:
        return Decision(errand=GiveUp(Status.FAILED, UPSTREAM_LOST))
    wait = wait_after(answer, claimed.attempts + 1, first=patience.interval, chance=chance)
    return Decision(_wish(claimed), wait=wait, failures=claimed.attempts + 1)


def end_of(batch: Batch, claimed: Claimed) -> tuple[Status, JobError | None]:
    """Decide how a job ends whose batch has ended.

    A batch that was cancelled because the job's own deadline had passed makes the job expired; one that was
    complete all the same makes it succeed.
    """
    status = batch.observed.status
    if status is Status.FAILED:
        return status, batch.error or UPSTREAM_FAILED
    if status is Status.CANCELLED and claimed.deadline_passed and not claimed.cancel_requested:
        return Status.EXPIRED, None
    return status, None


def end_without_results(batch: Batch, claimed: Claimed) -> tuple[Status, JobError | None]:
    """Decide how a job ends whose results could not be fetched for as long as is waited."""
    status, error = end_of(batch, claimed)
    if claimed.deadline_passed:
        return Status.EXPIRED, RESULTS_UNAVAILABLE
    return (Status.FAILED if status is Status.SUCCEEDED else status), error or RESULTS_UNAVAILABLE


def tells_more_than_the_end(result: ItemResult, batch: Batch, claimed: Claimed) -> bool:
    """Whether a result has to be stored.

    Where the job expires because its own deadline had the batch cancelled, the provider's "cancelled" only repeats
    what was done here: those items take the job's outcome.
    """
    return not (result.outcome is Outcome.CANCELLED and end_of(batch, claimed)[0] is Status.EXPIRED)


def no_more_tries(claimed: Claimed, patience: Patience) -> bool:
    """Whether the results of a batch that has ended have been asked for long enough."""
    if _overdue(claimed, patience):
        return True
    finalizing = claimed.job.status in {Status.FINALIZING, Status.CANCELLING}
    return finalizing and _seconds(claimed.job.updated_at, claimed.now) >= patience.after_upstream


def next_look(claimed: Claimed, patience: Patience) -> float:
    """Seconds until the next look at a job that runs: at its own deadline it is cancelled, not an interval later."""
    left = claimed.until_deadline
    return patience.interval if left is None or left <= 0 else min(patience.interval, left)


def time_to_fetch(claimed: Claimed, patience: Patience, most: float) -> float:
    """Seconds for one try to fetch results: until as long after the job's own deadline as is waited, at most `most`.

    A monitor that comes too late, since none was there in time, still has one try.
    """
    if claimed.until_deadline is None:
        return most
    left = claimed.until_deadline + patience.after_deadline
    return min(most, left if left > 0 else patience.after_deadline)


def wait_after(error: ProviderError, failures: int, *, first: float, chance: float) -> float:
    """Seconds until the next try, after `failures` in a row: backoff, or longer if the provider asked so."""
    wait = full_jitter(failures, first=first, most=max(LONGEST_BACKOFF, first), chance=chance)
    asked = error.retry_after if isinstance(error, Unanswered) else None
    return not_before(wait, asked, most=LONGEST_RETRY_AFTER)


def change(job: Job, transition: Transition, *, now: datetime, wait: float | None, observed: bool) -> Change:
    """Put a decision into the store's words.

    Args:
        job: the version it was decided on.
        transition: the next version's contents.
        now: the database's time.
        wait: seconds until the next look, None where the monitor goes on at once.
        observed: whether the provider said so.
    """
    look_every = SOONEST if wait is None else wait
    return Change(
        job_id=job.id,
        from_version=job.version,
        transition=transition,
        poll_after=poll_after(transition.status, transition.progress, job.started_at, now, look_every),
        next_look=wait,
        observed=observed,
    )


def _while_it_runs(claimed: Claimed, batch: Batch, patience: Patience) -> Decision:
    observed = advance(claimed.job, batch.observed, now=claimed.now)
    if not (claimed.cancel_requested or claimed.deadline_passed):
        return Decision(observed, wait=next_look(claimed, patience), observed=True)
    transition = _wish(claimed) or observed
    if batch.observed.status is Status.CANCELLING:
        return Decision(transition, wait=patience.interval, observed=True)
    return Decision(transition, Cancel(batch.id), observed=True)


def _wish(claimed: Claimed) -> Transition | None:
    """What the caller or the job's own deadline wants, as the job's next version."""
    if claimed.cancel_requested:
        return advance(claimed.job, CancelRequested(), now=claimed.now)
    if claimed.deadline_passed:
        return advance(claimed.job, DeadlinePassed(), now=claimed.now)
    return None


def _overdue(claimed: Claimed, patience: Patience) -> bool:
    """Whether nothing more is waited for: long enough after the job's own deadline, or the provider's."""
    if claimed.job.expires_at is None:
        return False
    over = _seconds(claimed.job.expires_at, claimed.now)
    return over >= (patience.after_deadline if claimed.deadline_passed else patience.after_upstream)


def _seconds(since: datetime, now: datetime) -> float:
    return (now - since) / timedelta(seconds=1)
