"""What a monitor does with a job, for every kind of answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from polling_api.domain.advance import Observed
from polling_api.domain.job import Job, JobError, Outcome, Progress, Status
from polling_api.domain.result import ItemResult
from polling_api.monitor.decision import (
    LONGEST_BACKOFF,
    RESULTS_UNAVAILABLE,
    UPSTREAM_FAILED,
    UPSTREAM_LOST,
    Cancel,
    Decision,
    Fetch,
    GiveUp,
    Patience,
    Submit,
    after_look,
    before_submission,
    end_of,
    end_without_results,
    no_more_tries,
    not_ours,
    tells_more_than_the_end,
    time_to_fetch,
    wait_after,
)
from polling_api.providers.protocol import Batch, ProviderError, Unanswered, UnknownBatch
from polling_api.store.leases import Claimed

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
PATIENCE = Patience(interval=30)
SILENT = Unanswered("time out")


def claimed(status: Status = Status.IN_PROGRESS, **changes: object) -> Claimed:
    job = Job(
        id="job_" + "0" * 32,
        version=4,
        status=status,
        status_version=3,
        progress=Progress(total=100, completed=40),
        endpoint="/v1/chat/completions",
        provider="simulator",
        created_at=NOW - timedelta(hours=1),
        updated_at=NOW - timedelta(minutes=1),
    )
    made = Claimed(
        job=job,
        upstream_id="batch_1",
        attempts=0,
        taken_over=False,
        cancel_requested=False,
        until_deadline=None,
        age=3600,
        now=NOW,
    )
    return replace(made, **changes)  # pyright: ignore[reportArgumentType] - the tests name fields of Claimed


def past_deadline(seconds: float, status: Status = Status.IN_PROGRESS, **changes: object) -> Claimed:
    made = claimed(status, until_deadline=-seconds, **changes)
    return replace(made, job=replace(made.job, expires_at=NOW - timedelta(seconds=seconds)))


def batch(status: Status, error: JobError | None = None) -> Batch:
    return Batch("batch_1", None, Observed(status, completed=40, failed=0), error)


def look(one: Claimed, answer: Batch | ProviderError, *, unknown: int = 0, chance: float = 0.5) -> Decision:
    return after_look(one, answer, unknown_in_a_row=unknown, patience=PATIENCE, chance=chance)


def status_after(decision: Decision) -> Status | None:
    return decision.transition.status if decision.transition else None


def test_a_job_without_a_batch_is_submitted() -> None:
    assert before_submission(claimed(Status.QUEUED), PATIENCE) == Decision(errand=Submit())


@pytest.mark.parametrize("status", [Status.SUBMITTING, Status.CANCELLING, Status.FINALIZING])
def test_a_job_that_may_have_a_batch_is_looked_for_before_anything_is_said_of_it(status: Status) -> None:
    assert before_submission(claimed(status), PATIENCE).errand == Submit()


def test_a_job_that_is_not_wanted_any_more_ends_in_the_queue() -> None:
    cancelled = before_submission(claimed(Status.QUEUED, cancel_requested=True), PATIENCE)
    expired = before_submission(past_deadline(1, Status.QUEUED), PATIENCE)

    assert (status_after(cancelled), cancelled.errand) == (Status.CANCELLED, None)
    assert (status_after(expired), expired.errand) == (Status.EXPIRED, None)


def test_a_running_batch_that_says_nothing_new_is_looked_at_after_the_interval() -> None:
    assert look(claimed(), batch(Status.IN_PROGRESS)) == Decision(wait=30, observed=True)


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.EXPIRED, Status.CANCELLED])
def test_the_results_of_an_ended_batch_are_fetched(status: Status) -> None:
    decision = look(claimed(), batch(status))

    assert status_after(decision) is Status.FINALIZING
    assert decision.errand == Fetch(batch(status))


def test_a_wanted_cancel_goes_upstream_at_each_look_until_it_is_confirmed() -> None:
    first = look(claimed(cancel_requested=True), batch(Status.IN_PROGRESS))
    again = look(claimed(Status.CANCELLING, cancel_requested=True), batch(Status.IN_PROGRESS))
    confirmed = look(claimed(Status.CANCELLING, cancel_requested=True), batch(Status.CANCELLING))

    assert (status_after(first), first.errand) == (Status.CANCELLING, Cancel("batch_1"))
    assert (status_after(again), again.errand) == (None, Cancel("batch_1"))
    assert (status_after(confirmed), confirmed.errand) == (None, None)


def test_the_next_look_is_at_the_deadline_if_that_comes_first() -> None:
    waits = {left: look(claimed(until_deadline=left), batch(Status.IN_PROGRESS)).wait for left in (2.5, 30.0, 3600.0)}

    assert waits == {2.5: 2.5, 30.0: 30, 3600.0: 30}
    assert look(past_deadline(1, Status.FINALIZING), batch(Status.CANCELLING)).wait == 30


@pytest.mark.parametrize(
    ("until_deadline", "seconds"),
    [(None, 7200), (86_400, 7200), (60, 660), (-1, 599), (-599, 1), (-600, 600), (-86_400, 600)],
)
def test_results_are_fetched_until_ten_minutes_after_the_deadline_by_a_late_monitor_for_as_long(
    until_deadline: float | None, seconds: float
) -> None:
    assert time_to_fetch(claimed(until_deadline=until_deadline), PATIENCE, most=7200) == seconds


def test_a_passed_deadline_is_told_and_has_the_batch_cancelled() -> None:
    decision = look(past_deadline(1), batch(Status.IN_PROGRESS))

    assert (status_after(decision), decision.errand) == (Status.FINALIZING, Cancel("batch_1"))


def test_a_passed_deadline_is_told_although_the_provider_is_silent() -> None:
    assert status_after(look(past_deadline(1), SILENT)) is Status.FINALIZING


@pytest.mark.parametrize("answer", [batch(Status.IN_PROGRESS), batch(Status.CANCELLING), SILENT, UnknownBatch()])
def test_ten_minutes_after_its_deadline_a_job_ends_whatever_the_provider_says(
    answer: Batch | ProviderError,
) -> None:
    assert look(past_deadline(599), answer).errand != GiveUp(Status.EXPIRED)
    assert look(past_deadline(600), answer).errand == GiveUp(Status.EXPIRED)


def test_a_silent_provider_keeps_a_job_for_a_day_after_the_providers_own_deadline() -> None:
    one = claimed()
    late = replace(one, job=replace(one.job, expires_at=NOW - timedelta(days=1)))

    assert look(late, SILENT).errand == GiveUp(Status.EXPIRED)


def test_failed_looks_are_spread_over_a_ceiling_that_doubles_up_to_a_minute() -> None:
    waits = [look(claimed(attempts=attempts), SILENT, chance=0.5).wait for attempts in range(4)]

    assert waits == [15, 30, 30, 30]
    assert look(claimed(attempts=3), SILENT).failures == 4


def test_a_longer_retry_after_is_honoured_up_to_an_hour() -> None:
    asked, garbled = Unanswered("429", retry_after=200), Unanswered("429", retry_after=10**9)

    assert wait_after(asked, 1, first=1, chance=0.5) == 200
    assert wait_after(garbled, 1, first=1, chance=0.5) == 3600
    assert wait_after(SILENT, 50, first=1, chance=0.5) == LONGEST_BACKOFF / 2


def test_a_batch_is_lost_when_it_was_unknown_three_times_in_a_row() -> None:
    assert look(claimed(), UnknownBatch(), unknown=2).errand is None
    assert look(claimed(), UnknownBatch(), unknown=3).errand == GiveUp(Status.FAILED, UPSTREAM_LOST)


@pytest.mark.parametrize(
    ("upstream", "one", "end"),
    [
        (Status.SUCCEEDED, claimed(), Status.SUCCEEDED),
        (Status.EXPIRED, claimed(), Status.EXPIRED),
        (Status.CANCELLED, claimed(), Status.CANCELLED),
        (Status.SUCCEEDED, claimed(cancel_requested=True), Status.SUCCEEDED),
        (Status.CANCELLED, claimed(cancel_requested=True), Status.CANCELLED),
        (Status.SUCCEEDED, past_deadline(1), Status.SUCCEEDED),
        (Status.CANCELLED, past_deadline(1), Status.EXPIRED),
        (Status.EXPIRED, past_deadline(1), Status.EXPIRED),
        (Status.CANCELLED, past_deadline(1, cancel_requested=True), Status.CANCELLED),
    ],
)
def test_how_a_job_ends_follows_from_its_batch_and_from_who_cancelled_it(
    upstream: Status, one: Claimed, end: Status
) -> None:
    assert end_of(batch(upstream), one) == (end, None)


def test_a_failed_batch_says_why_or_gets_a_reason() -> None:
    told = JobError("token_limit_exceeded", "Too many tokens.")

    assert end_of(batch(Status.FAILED, told), claimed()) == (Status.FAILED, told)
    assert end_of(batch(Status.FAILED), claimed()) == (Status.FAILED, UPSTREAM_FAILED)


def test_a_complete_batch_without_its_results_is_a_failure() -> None:
    assert end_without_results(batch(Status.SUCCEEDED), claimed()) == (Status.FAILED, RESULTS_UNAVAILABLE)
    assert end_without_results(batch(Status.EXPIRED), claimed()) == (Status.EXPIRED, RESULTS_UNAVAILABLE)
    assert end_without_results(batch(Status.SUCCEEDED), past_deadline(1)) == (Status.EXPIRED, RESULTS_UNAVAILABLE)


def test_results_are_asked_for_during_a_day_and_after_the_own_deadline_for_ten_minutes() -> None:
    one = claimed(Status.FINALIZING)
    a_day_later = replace(one, now=one.job.updated_at + timedelta(days=1))

    assert not no_more_tries(one, PATIENCE)
    assert no_more_tries(a_day_later, PATIENCE)
    assert not no_more_tries(past_deadline(599, Status.FINALIZING), PATIENCE)
    assert no_more_tries(past_deadline(600, Status.FINALIZING), PATIENCE)


def test_items_that_our_own_deadline_had_cancelled_take_the_jobs_outcome() -> None:
    item = ItemResult("item-0", Outcome.CANCELLED)
    done = ItemResult("item-1", Outcome.COMPLETED)

    assert not tells_more_than_the_end(item, batch(Status.CANCELLED), past_deadline(1))
    assert tells_more_than_the_end(done, batch(Status.CANCELLED), past_deadline(1))
    assert tells_more_than_the_end(item, batch(Status.CANCELLED), claimed(cancel_requested=True))


def test_a_job_of_another_provider_is_left_until_it_is_overdue() -> None:
    assert not_ours(claimed(attempts=2), PATIENCE) == Decision(wait=30, failures=2)
    assert not_ours(past_deadline(600), PATIENCE).errand == GiveUp(Status.EXPIRED)
