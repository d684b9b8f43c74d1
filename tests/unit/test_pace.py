from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.domain.job import Progress, Status
from polling_api.domain.pace import poll_after

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def in_progress(progress: Progress, *, running_for: float, look_every: float) -> int:
    started_at = NOW - timedelta(seconds=running_for)
    return poll_after(Status.IN_PROGRESS, progress, started_at, NOW, look_every)


def test_nothing_new_is_seen_before_the_next_look_upstream() -> None:
    assert poll_after(Status.QUEUED, Progress(100), None, NOW, 30) == 30


def test_a_fraction_of_a_second_is_rounded_up() -> None:
    assert poll_after(Status.QUEUED, Progress(100), None, NOW, 0.2) == 1
    assert poll_after(Status.QUEUED, Progress(100), None, NOW, 2.1) == 3


def test_a_slow_batch_is_asked_after_once_a_percent() -> None:
    # 1,000 items at 10 s each: ten of them, one percent, take 100 s.
    assert in_progress(Progress(1000, completed=50), running_for=500, look_every=30) == 100


def test_failed_items_count_in_the_rate() -> None:
    assert in_progress(Progress(1000, completed=40, failed=10), running_for=500, look_every=30) == 100


def test_a_fast_batch_is_asked_after_with_every_look() -> None:
    assert in_progress(Progress(1000, completed=500), running_for=50, look_every=30) == 30


def test_a_batch_without_any_item_done_is_asked_after_with_every_look() -> None:
    assert in_progress(Progress(1000), running_for=500, look_every=30) == 30


def test_the_item_rate_counts_only_while_the_provider_works() -> None:
    started_at = NOW - timedelta(hours=1)

    assert poll_after(Status.FINALIZING, Progress(1000, completed=5), started_at, NOW, 2) == 2


def test_an_end_is_never_hidden_for_more_than_five_minutes() -> None:
    assert in_progress(Progress(1000, completed=1), running_for=7200, look_every=30) == 300


@given(
    status=st.sampled_from(Status),
    done=st.integers(min_value=0, max_value=50_000),
    running_for=st.floats(min_value=-60, max_value=10**7),
    look_every=st.floats(min_value=0, max_value=10**6),
)
def test_the_answer_is_from_one_second_to_five_minutes(
    status: Status, done: int, running_for: float, look_every: float
) -> None:
    started_at = NOW - timedelta(seconds=running_for)

    seconds = poll_after(status, Progress(50_000, completed=done), started_at, NOW, look_every)

    assert 1 <= seconds <= 300


@pytest.mark.parametrize("look_every", [1, 30, 300])
def test_a_clock_that_stepped_back_does_no_harm(look_every: float) -> None:
    assert in_progress(Progress(100, completed=1), running_for=-5, look_every=look_every) == look_every
