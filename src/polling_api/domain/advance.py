"""The one place that decides what happens to a job next."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from polling_api.domain.job import OUTCOME_OF_THE_REST, Job, JobError, Outcome, Progress, Status

# Progress alone makes at most one version in this time, so that a fast batch does not flood its readers.
PROGRESS_EVERY = timedelta(seconds=1)

# Jobs move up this ladder and never down. `cancelling` stands above `finalizing`: a cancel may still be asked
# for while results are fetched, and nothing but the end takes it back.
_RANK = {
    Status.QUEUED: 0,
    Status.SUBMITTING: 1,
    Status.IN_PROGRESS: 2,
    Status.FINALIZING: 3,
    Status.CANCELLING: 4,
    Status.SUCCEEDED: 5,
    Status.FAILED: 5,
    Status.EXPIRED: 5,
    Status.CANCELLED: 5,
}


@dataclass(frozen=True, slots=True)
class SubmissionStarted:
    """A monitor is about to hand the job to the provider."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the provider says of the batch, in this service's words.

    `completed` and `failed` are None where the provider said nothing usable. `expires_at` is the provider's
    own deadline. A terminal `status` means done upstream: results are still to be fetched. `cancelling` on a job
    that is finalizing changes nothing: it was this service that cancelled the batch, for the job's own deadline.
    """

    status: Status
    completed: int | None = None
    failed: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """A caller wants the job to end."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The job's own `expires_in` is over; what is done so far will be fetched."""


@dataclass(frozen=True, slots=True)
class Settled:
    """All that can be known is stored: the job ends as `status`, its items as `progress` says.

    Raises:
        ValueError: `status` is not terminal.
    """

    status: Status
    progress: Progress
    error: JobError | None = None

    def __post_init__(self) -> None:
        if not self.status.terminal:
            raise ValueError(f"A job does not end as {self.status}.")


Event = SubmissionStarted | Observed | CancelRequested | DeadlinePassed | Settled


@dataclass(frozen=True, slots=True)
class Transition:
    """What the next version of a job differs in. The store gives it its number and its time."""

    status: Status
    progress: Progress
    error: JobError | None = None
    expires_at: datetime | None = None


def advance(job: Job, event: Event, *, now: datetime) -> Transition | None:
    """Decide whether `event` makes a new version of `job`, and which.

    Nothing moves a job down the ladder, takes progress back or changes a terminal job: a provider that says so
    is garbled or late, and is not believed.

    Args:
        job: the latest version.
        event: what happened.
        now: the database's time, for the bound on versions that only move progress.

    Returns:
        The next version's contents, or None where a client would see no difference.
    """
    if job.terminal:
        return None
    present = Transition(job.status, job.progress, job.error, job.expires_at)
    match event:
        case SubmissionStarted():
            proposed = replace(present, status=_up(job.status, Status.SUBMITTING))
        case Observed():
            proposed = replace(
                present,
                status=_observed_status(job.status, event.status),
                progress=_forward(job.progress, event.completed, event.failed),
                expires_at=_deadline(job, event.expires_at),
            )
        case CancelRequested() if job.status is Status.QUEUED:
            proposed = _ended_untouched(present, Status.CANCELLED)
        case CancelRequested():
            proposed = replace(present, status=Status.CANCELLING)
        case DeadlinePassed() if job.status is Status.QUEUED:
            proposed = _ended_untouched(present, Status.EXPIRED)
        case DeadlinePassed():
            proposed = replace(present, status=_up(job.status, Status.FINALIZING))
        case Settled():
            proposed = replace(present, status=event.status, progress=event.progress, error=event.error)
    return proposed if _worth_a_version(job, present, proposed, now) else None


def settle(total: int, stored: dict[Outcome, int], status: Status) -> Progress:
    """Count a finished job's items: those with a stored outcome, and the rest, which take the job's.

    The sum of the four is always `total`.
    """
    counts = {outcome: stored.get(outcome, 0) for outcome in Outcome}
    counts[OUTCOME_OF_THE_REST[status]] += total - sum(counts.values())
    return Progress(
        total=total,
        completed=counts[Outcome.COMPLETED],
        failed=counts[Outcome.FAILED],
        expired=counts[Outcome.EXPIRED],
        cancelled=counts[Outcome.CANCELLED],
    )


def _up(present: Status, proposed: Status) -> Status:
    return proposed if _RANK[proposed] > _RANK[present] else present


def _observed_status(present: Status, observed: Status) -> Status:
    if observed.terminal:
        return _up(present, Status.FINALIZING)
    if present is Status.FINALIZING:
        return present
    return _up(present, observed)


def _ended_untouched(present: Transition, status: Status) -> Transition:
    """End a job of which nothing has gone upstream."""
    return replace(present, status=status, progress=settle(present.progress.total, {}, status))


def _forward(present: Progress, completed: int | None, failed: int | None) -> Progress:
    """Take the provider's counts only if they are sane and take nothing back."""
    if completed is None or failed is None or completed < present.completed or failed < present.failed:
        return present
    if completed + failed > present.total:
        return present
    return replace(present, completed=completed, failed=failed)


def _deadline(job: Job, told: datetime | None) -> datetime | None:
    """The earlier of both deadlines. A batch cannot have expired before its job was made: that is garbage."""
    if told is None or told <= job.created_at:
        return job.expires_at
    return min(told, job.expires_at or told)


def _worth_a_version(job: Job, present: Transition, proposed: Transition, now: datetime) -> bool:
    if proposed == present:
        return False
    if proposed.status is not present.status:
        return True
    moved_a_percent = proposed.progress.percent != present.progress.percent
    return moved_a_percent and now - job.updated_at >= PROGRESS_EVERY
