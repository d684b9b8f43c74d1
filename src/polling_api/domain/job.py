"""A job, its statuses and its progress, as values."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

JOB_ID = re.compile(r"job_[0-9a-f]{32}")


class Status(StrEnum):
    """What became of a job. Clients trust `terminal`, not a list of their own."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether a job in this status never changes again."""
        return self in TERMINAL


TERMINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.EXPIRED, Status.CANCELLED})


class Outcome(StrEnum):
    """What became of one request of a job."""

    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


# Items without an outcome take the job's. A job that succeeded owes each item an answer, so a missing one failed.
OUTCOME_OF_THE_REST: Mapping[Status, Outcome] = {
    Status.SUCCEEDED: Outcome.FAILED,
    Status.FAILED: Outcome.FAILED,
    Status.EXPIRED: Outcome.EXPIRED,
    Status.CANCELLED: Outcome.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of a job's items have which outcome."""

    total: int
    completed: int = 0
    failed: int = 0
    expired: int = 0
    cancelled: int = 0

    @property
    def done(self) -> int:
        """Items that have an outcome."""
        return self.completed + self.failed + self.expired + self.cancelled

    @property
    def percent(self) -> int:
        """Whole percent of the items that have an outcome, rounded down."""
        return self.done * 100 // self.total


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: a stable code for programs, a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One version of one job, as clients see it, with what is needed to serve it.

    `status_version` is the version in which the present status began: a version above it moved progress alone.
    `poll_after` is when asking again is worth it, in seconds. `client_id` is the owner, None for public jobs.
    """

    id: str
    version: int
    status: Status
    status_version: int
    progress: Progress
    endpoint: str
    provider: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    results_expire_at: datetime | None = None
    error: JobError | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    client_id: str | None = None
    poll_after: int = 1

    @property
    def terminal(self) -> bool:
        """Whether the job never changes again."""
        return self.status in TERMINAL


def new_job_id() -> str:
    """An id that cannot be guessed: 128 random bits from the operating system's generator."""
    return f"job_{secrets.token_hex(16)}"
