"""What has become of a simulated batch by a given time: a pure function of its record and the clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Literal, NamedTuple

from polling_api.domain.job import Status
from polling_api.domain.script import Script, parse_script

WINDOW = 24 * 3600.0  # seconds; the completion window, the only one there is

BatchStatus = Literal[
    "validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"
]
TERMINAL = frozenset[BatchStatus]({"completed", "failed", "expired", "cancelled"})

_WORDS: Mapping[Status, BatchStatus] = {
    Status.QUEUED: "validating",
    Status.SUBMITTING: "validating",
    Status.IN_PROGRESS: "in_progress",
    Status.FINALIZING: "finalizing",
    Status.CANCELLING: "cancelling",
    Status.SUCCEEDED: "completed",
    Status.FAILED: "failed",
    Status.EXPIRED: "expired",
    Status.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The course of a batch without a script, in seconds; of its items the share `failing` fails, 0 to 1."""

    validating: float = 1.0
    running: float = 30.0
    finalizing: float = 1.0
    cancelling: float = 1.0
    failing: float = 0.0


@dataclass(frozen=True, slots=True)
class InputError:
    """One fault of an input file; `line` counts from 1, and is None where it is of the whole file."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """All that is kept of a batch; everything else follows from it and the time.

    `number` orders batches by creation, `total` counts the requests of the input, `errors` its faults.
    `cancelled_after` is when a cancel was asked for, in seconds after `created_at` (Unix seconds).
    """

    id: str
    number: int
    input_file_id: str
    endpoint: str
    created_at: float
    total: int
    pace: Pace
    errors: Sequence[InputError] = ()
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    cancelled_after: float | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Items that have an outcome, and how many of these failed."""

    done: int = 0
    failed: int = 0

    @property
    def completed(self) -> int:
        """Items with an answer."""
        return self.done - self.failed


@dataclass(frozen=True, slots=True)
class BatchState:
    """What a batch looks like now. `entered` has the Unix second in which each status was first entered."""

    status: BatchStatus
    counts: Counts
    entered: Mapping[BatchStatus, int]
    expires_at: int


class Ending(NamedTuple):
    """When a batch ends (Unix seconds), and in which status."""

    at: float
    status: BatchStatus


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a course, in seconds after the creation; counts run evenly from `first` to `last`."""

    status: BatchStatus
    starts: float
    ends: float
    first: Counts = Counts()
    last: Counts = Counts()

    def counts_at(self, elapsed: float) -> Counts:
        """The counts at a moment of this phase."""
        if elapsed >= self.ends or self.first == self.last:
            return self.last
        share = max(elapsed - self.starts, 0) / (self.ends - self.starts)
        return Counts(
            done=self.first.done + int((self.last.done - self.first.done) * share),
            failed=self.first.failed + int((self.last.failed - self.first.failed) * share),
        )


def state_at(record: BatchRecord, now: float) -> BatchState:
    """What has become of a batch by `now` (Unix seconds)."""
    planned = _plan(record)
    phases = _phases(record, planned)
    elapsed = now - record.created_at
    begun = [phase for phase in phases if phase.starts <= elapsed] or [phases[0]]
    entered: dict[BatchStatus, int] = {}
    for phase in begun:
        entered.setdefault(phase.status, int(record.created_at + phase.starts))
    return BatchState(
        status=begun[-1].status,
        counts=begun[-1].counts_at(elapsed),
        entered=entered,
        expires_at=ceil(record.created_at + _expiry(planned)),
    )


def ending_of(record: BatchRecord) -> Ending:
    """When a batch ends, and how, as far as is known by now: a cancel may change it."""
    last = _phases(record, _plan(record))[-1]
    return Ending(record.created_at + last.starts, last.status)


def cancelled(record: BatchRecord, now: float) -> BatchRecord:
    """The record after a cancel; the same where the batch has ended or is being cancelled already."""
    if state_at(record, now).status in TERMINAL | {"cancelling"}:
        return record
    return replace(record, cancelled_after=now - record.created_at)


def _phases(record: BatchRecord, planned: Sequence[Phase]) -> Sequence[Phase]:
    return planned if record.cancelled_after is None else _cut(planned, record.cancelled_after, record.pace)


def _plan(record: BatchRecord) -> Sequence[Phase]:
    if record.errors:
        return _invalid(record.pace)
    script = record.metadata.get("simulator")
    return _default(record) if script is None else _scripted(parse_script(script), record.total)


def _invalid(pace: Pace) -> Sequence[Phase]:
    end = pace.validating
    return (Phase("validating", 0, end), Phase("failed", end, end))


def _default(record: BatchRecord) -> Sequence[Phase]:
    pace, all_done = record.pace, Counts(record.total, int(record.total * record.pace.failing))
    runs = pace.validating
    finalizes = runs + pace.running
    ends = finalizes + pace.finalizing
    return (
        Phase("validating", 0, runs),
        Phase("in_progress", runs, finalizes, Counts(), all_done),
        Phase("finalizing", finalizes, ends, all_done, all_done),
        Phase("completed", ends, ends, all_done, all_done),
    )


def _scripted(script: Script, total: int) -> Sequence[Phase]:
    phases: list[Phase] = []
    starts = 0.0
    for step in script.steps:
        done = total if step.status is Status.SUCCEEDED else total * step.percent // 100
        counts = Counts(done, min(step.fail, done))
        phases.append(Phase(_WORDS[step.status], starts, starts + step.seconds, counts, counts))
        starts += step.seconds
    return phases


def _cut(phases: Sequence[Phase], at: float, pace: Pace) -> Sequence[Phase]:
    """End a course by a cancel: what is done by then stays done."""
    kept = [phase for phase in phases if phase.starts <= at] or [phases[0]]
    counts = kept[-1].counts_at(at)
    ends = at + pace.cancelling
    return (
        *kept,
        Phase("cancelling", at, ends, counts, counts),
        Phase("cancelled", ends, ends, counts, counts),
    )


def _expiry(planned: Sequence[Phase]) -> float:
    return planned[-1].starts if planned[-1].status == "expired" else WINDOW
