"""The counters beside what they stand for: a list of the times of all requests that went through."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polling_api.ratelimit import Counters, Figures, Windows, nobody
from polling_api.ratelimit.counter import Counter

unhurried = settings(max_examples=60, deadline=None)  # the machine may be busy with something else

NOON = 1_795_600_800.0  # epoch seconds; a whole hour
SIZE, LIMIT = 10, 10

# Times go on by anything from nothing to two windows, often by whole seconds, so that edges are hit.
steps = st.lists(
    st.one_of(
        st.floats(0, 2.0, allow_nan=False),
        st.integers(0, 21).map(float),
        st.just(0.0),
        st.sampled_from([0.1, 9.9, 10.1]),
    ),
    min_size=1,
    max_size=80,
)


def times(gaps: Sequence[float]) -> list[float]:
    now, moments = NOON, list[float]()
    for gap in gaps:
        now += gap
        moments.append(now)
    return moments


def lately(taken: Sequence[float], now: float) -> int:
    """The reference: how many requests of the last ten seconds there are."""
    return sum(at > now - SIZE for at in taken)


@given(steps)
@unhurried
def test_a_count_is_exact_or_off_by_at_most_what_the_window_before_held_less_one(gaps: Sequence[float]) -> None:
    counter, taken = Counter("one", SIZE, NOON), list[float]()
    for now in times(gaps):
        if now >= counter.ends:
            counter.roll(now)
        begins = counter.ends - SIZE
        before = [at for at in taken if begins - SIZE <= at < begins]
        error = abs(counter.used(now) - lately(taken, now))
        inside = bool(before) and before[0] < now - SIZE < before[-1]

        assert error <= max(0, len(before) - 1)
        assert inside or error == 0 or now - SIZE in before  # exact unless the edge is amid them

        counter.take(1, now)
        taken.append(now)


@given(st.integers(1, 12), st.floats(0, 10, allow_nan=False), st.floats(0.01, 3, allow_nan=False))
@unhurried
def test_a_count_is_exact_for_a_steady_pace(number: int, phase: float, gap: float) -> None:
    counter = Counter("one", SIZE, NOON + phase)
    taken = [NOON + phase + gap * each for each in range(number)]
    for at in taken:
        if at >= counter.ends:
            counter.roll(at)
        counter.take(1, at)

    for ahead in (0.003, 1.7, 5.2, 9.997, 11.3):
        now = taken[-1] + ahead
        if abs(now - SIZE - taken[0]) % gap > 0.001 and counter.ends - SIZE <= taken[0]:
            assert counter.used(now) == lately(taken, now)


@given(steps)
@unhurried
def test_no_window_of_the_clock_ever_holds_more_than_the_limit(gaps: Sequence[float]) -> None:
    windows, somebody = Windows(Counters(), Figures()), nobody("192.0.2.1", Figures())

    went_through = [now for now in times(gaps) if windows.decide(somebody, now, job="job_1").allowed]

    for window in {at // SIZE for at in went_through}:
        assert sum(at // SIZE == window for at in went_through) <= LIMIT


@pytest.mark.parametrize("limits", [Figures(), Figures(ip_hour=30, job_minute=14, burst=3)])
@given(gaps=steps, weights=st.lists(st.integers(1, 6), min_size=80, max_size=80))
@unhurried
def test_waiting_as_long_as_a_refusal_says_suffices(
    limits: Figures, gaps: Sequence[float], weights: Sequence[int]
) -> None:
    counters = Counters()
    windows, somebody = Windows(counters, limits), nobody("192.0.2.1", limits)
    behind = 0.0  # the time that was spent on waiting
    for now, weight in zip(times(gaps), weights, strict=False):
        moment = now + behind
        decision = windows.decide(somebody, moment, job="job_1", weight=weight)
        if not decision.allowed:
            later = windows.decide(somebody, moment + decision.retry_after, job="job_1", weight=weight)
            behind += decision.retry_after

            assert later.allowed, decision


@given(steps)
@unhurried
def test_nothing_waits_longer_than_the_window_is_long(gaps: Sequence[float]) -> None:
    windows, somebody = Windows(Counters(), Figures(ip_hour=10**6, job_minute=10**6)), nobody("::", Figures())
    for now in times(gaps):
        decision = windows.decide(somebody._replace(hour=10**6), now, job="job_1")

        assert decision.retry_after <= SIZE
        assert decision.reset <= now + SIZE + 1
