from hypothesis import given
from hypothesis import strategies as st

from polling_api.resilience.backoff import full_jitter, not_before

chances = st.floats(min_value=0, max_value=1, exclude_max=True)


def test_the_ceiling_doubles_with_every_failure_up_to_the_highest() -> None:
    waits = [full_jitter(failures, first=1, most=10, chance=0.5) for failures in range(1, 7)]

    assert waits == [0.5, 1, 2, 4, 5, 5]


@given(failures=st.integers(min_value=0, max_value=10**12), chance=chances)
def test_a_wait_lies_between_nothing_and_the_ceiling(failures: int, chance: float) -> None:
    assert 0 <= full_jitter(failures, first=0.5, most=60, chance=chance) < 60


def test_tries_that_failed_together_come_back_spread_over_the_whole_ceiling() -> None:
    assert full_jitter(3, first=1, most=60, chance=0) == 0
    assert full_jitter(3, first=1, most=60, chance=0.999) > 3.9


def test_a_longer_retry_after_wins() -> None:
    assert not_before(2, 7, most=60) == 7


def test_a_shorter_retry_after_does_not_shorten_the_wait() -> None:
    assert not_before(2, 1, most=60) == 2
    assert not_before(2, None, most=60) == 2


def test_nobody_makes_us_wait_for_ever() -> None:
    assert not_before(2, 10**9, most=3600) == 3600
