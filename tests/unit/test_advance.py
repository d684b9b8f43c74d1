"""Every pair of a status and an event, legal or not, and what `advance` makes of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from polling_api.domain.advance import (
    PROGRESS_EVERY,
    CancelRequested,
    DeadlinePassed,
    Event,
    Observed,
    Settled,
    SubmissionStarted,
    Transition,
    advance,
    settle,
)
from polling_api.domain.job import TERMINAL, Job, JobError, Outcome, Progress, Status

QUEUED, SUBMITTING, IN_PROGRESS = Status.QUEUED, Status.SUBMITTING, Status.IN_PROGRESS
FINALIZING, CANCELLING = Status.FINALIZING, Status.CANCELLING
SUCCEEDED, FAILED, EXPIRED, CANCELLED = Status.SUCCEEDED, Status.FAILED, Status.EXPIRED, Status.CANCELLED

BEGAN = datetime(2026, 11, 23, 9, tzinfo=UTC)
LATER = BEGAN + timedelta(seconds=60)
DONE = Progress(total=100, completed=100)


def job(status: Status = IN_PROGRESS, **changes: object) -> Job:
    made = Job(
        id="job_" + "0" * 32,
        version=4,
        status=status,
        status_version=3,
        progress=Progress(total=100, completed=40, failed=2),
        endpoint="/v1/chat/completions",
        provider="simulator",
        created_at=BEGAN,
        updated_at=BEGAN,
    )
    return replace(made, **changes)  # pyright: ignore[reportArgumentType] - the tests name fields of Job


# What an event (row) makes of a job in a status (column). None: no new version.
ACTIVE = (QUEUED, SUBMITTING, IN_PROGRESS, FINALIZING, CANCELLING)
TABLE: dict[Event, tuple[Status | None, ...]] = {
    SubmissionStarted(): (SUBMITTING, None, None, None, None),
    Observed(QUEUED): (None, None, None, None, None),
    Observed(SUBMITTING): (SUBMITTING, None, None, None, None),
    Observed(IN_PROGRESS): (IN_PROGRESS, IN_PROGRESS, None, None, None),
    Observed(FINALIZING): (FINALIZING, FINALIZING, FINALIZING, None, None),
    Observed(CANCELLING): (CANCELLING, CANCELLING, CANCELLING, None, None),
    Observed(SUCCEEDED): (FINALIZING, FINALIZING, FINALIZING, None, None),
    Observed(FAILED): (FINALIZING, FINALIZING, FINALIZING, None, None),
    Observed(EXPIRED): (FINALIZING, FINALIZING, FINALIZING, None, None),
    Observed(CANCELLED): (FINALIZING, FINALIZING, FINALIZING, None, None),
    CancelRequested(): (CANCELLED, CANCELLING, CANCELLING, CANCELLING, None),
    DeadlinePassed(): (EXPIRED, FINALIZING, FINALIZING, None, None),
    Settled(SUCCEEDED, DONE): (SUCCEEDED, SUCCEEDED, SUCCEEDED, SUCCEEDED, SUCCEEDED),
    Settled(FAILED, DONE): (FAILED, FAILED, FAILED, FAILED, FAILED),
    Settled(EXPIRED, DONE): (EXPIRED, EXPIRED, EXPIRED, EXPIRED, EXPIRED),
    Settled(CANCELLED, DONE): (CANCELLED, CANCELLED, CANCELLED, CANCELLED, CANCELLED),
}
PAIRS = [
    pytest.param(status, event, after, id=f"{status}-{type(event).__name__}-{getattr(event, 'status', '')}")
    for event, row in TABLE.items()
    for status, after in zip(ACTIVE, row, strict=True)
]
OBSERVATIONS = st.builds(
    Observed,
    status=st.sampled_from(Status),
    completed=st.none() | st.integers(min_value=-10, max_value=200),
    failed=st.none() | st.integers(min_value=-10, max_value=200),
    expires_at=st.none() | st.datetimes(timezones=st.just(UTC)),
)


def test_the_table_holds_every_status_an_upstream_may_report_and_every_end() -> None:
    assert {event.status for event in TABLE if isinstance(event, Observed)} == set(Status)
    assert {event.status for event in TABLE if isinstance(event, Settled)} == TERMINAL
    assert set(ACTIVE) | TERMINAL == set(Status)


@pytest.mark.parametrize(("status", "event", "after"), PAIRS)
def test_an_event_moves_a_job_as_the_table_says(status: Status, event: Event, after: Status | None) -> None:
    transition = advance(job(status), event, now=LATER)

    assert (transition.status if transition else None) == after


@pytest.mark.parametrize("event", TABLE)
@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_terminal_job_never_changes_again(status: Status, event: Event) -> None:
    assert advance(job(status, progress=DONE), event, now=LATER) is None


@pytest.mark.parametrize("status", ACTIVE)
def test_a_job_does_not_settle_in_a_status_that_goes_on(status: Status) -> None:
    with pytest.raises(ValueError, match="does not end"):
        Settled(status, DONE)


@given(status=st.sampled_from(ACTIVE), seen=st.lists(OBSERVATIONS, max_size=8))
def test_no_course_of_observations_moves_a_job_or_its_counts_back(status: Status, seen: list[Observed]) -> None:
    present = job(status)
    for observed in seen:
        transition = advance(present, observed, now=LATER)
        after = replace(present, status=transition.status, progress=transition.progress) if transition else present

        assert ACTIVE.index(after.status) >= ACTIVE.index(present.status)
        assert after.progress.completed >= present.progress.completed
        assert after.progress.failed >= present.progress.failed
        assert after.progress.done <= after.progress.total
        present = after


@pytest.mark.parametrize(
    ("completed", "failed"),
    [(39, 2), (60, 1), (101, 0), (60, 41), (-1, 2), (50, None), (None, 50), (None, None), (10**18, 2)],
)
def test_garbled_counts_are_ignored(completed: int | None, failed: int | None) -> None:
    assert advance(job(), Observed(IN_PROGRESS, completed, failed), now=LATER) is None


def test_garbled_counts_do_not_keep_a_status_back() -> None:
    transition = advance(job(), Observed(SUCCEEDED, completed=7, failed=0), now=LATER)

    assert transition == Transition(FINALIZING, Progress(total=100, completed=40, failed=2))


def test_progress_makes_a_version() -> None:
    transition = advance(job(), Observed(IN_PROGRESS, completed=50, failed=3), now=LATER)

    assert transition == Transition(IN_PROGRESS, Progress(total=100, completed=50, failed=3))


def test_progress_of_less_than_a_whole_percent_makes_no_version() -> None:
    large = job(progress=Progress(total=1000, completed=400))

    assert advance(large, Observed(IN_PROGRESS, completed=409, failed=0), now=LATER) is None
    assert advance(large, Observed(IN_PROGRESS, completed=410, failed=0), now=LATER) is not None


def test_progress_alone_makes_at_most_one_version_a_second() -> None:
    moved = Observed(IN_PROGRESS, completed=90, failed=2)

    assert advance(job(), moved, now=BEGAN + PROGRESS_EVERY - timedelta(microseconds=1)) is None
    assert advance(job(), moved, now=BEGAN + PROGRESS_EVERY) is not None


def test_a_new_status_does_not_wait_for_the_second_to_be_over() -> None:
    assert advance(job(), Observed(SUCCEEDED, completed=100, failed=0), now=BEGAN) is not None


def test_the_providers_deadline_is_told_with_the_next_version() -> None:
    deadline = BEGAN + timedelta(hours=24)

    transition = advance(job(SUBMITTING), Observed(IN_PROGRESS, expires_at=deadline), now=LATER)

    assert transition is not None
    assert transition.expires_at == deadline


@pytest.mark.parametrize(
    ("own", "upstream", "told"),
    [(1, 24, 1), (48, 24, 24), (1, None, 1), (1, 0, 1), (1, -500_000, 1)],
)
def test_the_earlier_deadline_counts_and_garbage_does_not(own: int, upstream: int | None, told: int) -> None:
    mine = job(SUBMITTING, expires_at=BEGAN + timedelta(hours=own))
    theirs = None if upstream is None else BEGAN + timedelta(hours=upstream)

    transition = advance(mine, Observed(IN_PROGRESS, expires_at=theirs), now=LATER)

    assert transition is not None
    assert transition.expires_at == BEGAN + timedelta(hours=told)


@pytest.mark.parametrize(
    ("event", "outcome"), [(CancelRequested(), Outcome.CANCELLED), (DeadlinePassed(), Outcome.EXPIRED)]
)
def test_the_items_of_a_job_that_ends_in_the_queue_take_its_outcome(event: Event, outcome: Outcome) -> None:
    transition = advance(job(QUEUED, progress=Progress(total=7)), event, now=LATER)

    assert transition is not None
    assert getattr(transition.progress, outcome) == 7
    assert transition.progress.done == 7


def test_the_end_says_why() -> None:
    error = JobError("upstream_failed", "The provider could not run the batch.")

    transition = advance(job(), Settled(FAILED, DONE, error), now=LATER)

    assert transition is not None
    assert transition.error == error


@given(
    total=st.integers(min_value=1, max_value=50_000),
    stored=st.dictionaries(st.sampled_from(Outcome), st.integers(min_value=0, max_value=12_500)),
    status=st.sampled_from(sorted(TERMINAL)),
)
def test_the_outcomes_of_a_settled_job_add_up_to_its_total(
    total: int, stored: dict[Outcome, int], status: Status
) -> None:
    assume(sum(stored.values()) <= total)

    progress = settle(total, stored, status)

    assert progress.completed + progress.failed + progress.expired + progress.cancelled == total
    assert progress.percent == 100


@pytest.mark.parametrize(
    ("status", "progress"),
    [
        (SUCCEEDED, Progress(total=10, completed=6, failed=4)),
        (FAILED, Progress(total=10, completed=6, failed=4)),
        (EXPIRED, Progress(total=10, completed=6, failed=1, expired=3)),
        (CANCELLED, Progress(total=10, completed=6, failed=1, cancelled=3)),
    ],
)
def test_items_without_an_outcome_take_the_jobs(status: Status, progress: Progress) -> None:
    stored = {Outcome.COMPLETED: 6, Outcome.FAILED: 1}

    assert settle(10, stored, status) == progress
