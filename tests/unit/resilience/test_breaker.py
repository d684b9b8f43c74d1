"""The circuit breaker, transition by transition."""

import asyncio
import math
from contextlib import ExitStack
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in_process.clocks import Clock
from polling_api.resilience.breaker import Breaker, CircuitOpen, Policy, State

POLICY = Policy(window=10, fewest=4, failure_share=0.5, slow_after=1.0, slow_share=0.75, open_first=2, open_most=6)
MOST_CHANCE = 0.999999


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(POLICY, clock=clock, chance=lambda: MOST_CHANCE)


def good(breaker: Breaker) -> None:
    with breaker.attempt():
        pass


def failing(breaker: Breaker) -> None:
    with pytest.raises(ConnectionError), breaker.attempt():
        raise ConnectionError


def slow(breaker: Breaker, clock: Clock) -> None:
    with breaker.attempt():
        clock.now += POLICY.slow_after + 0.01


def abandoned(breaker: Breaker) -> None:
    with pytest.raises(asyncio.CancelledError), breaker.attempt():
        raise asyncio.CancelledError


def opened(breaker: Breaker) -> Breaker:
    for _ in range(POLICY.fewest):
        failing(breaker)
    assert breaker.state is State.OPEN
    return breaker


def half_open(breaker: Breaker, clock: Clock) -> Breaker:
    opened(breaker)
    clock.now += POLICY.open_first
    assert breaker.state is State.HALF_OPEN
    return breaker


# Closed


def test_a_new_circuit_is_closed(breaker: Breaker) -> None:
    good(breaker)

    assert breaker.state is State.CLOSED


def test_too_few_calls_say_nothing(breaker: Breaker) -> None:
    for _ in range(POLICY.fewest - 1):
        failing(breaker)

    assert breaker.state is State.CLOSED


@pytest.mark.parametrize(("goods", "failures", "state"), [(3, 2, State.CLOSED), (2, 2, State.OPEN), (3, 3, State.OPEN)])
def test_it_opens_when_the_share_of_failures_is_reached(
    breaker: Breaker, goods: int, failures: int, state: State
) -> None:
    for _ in range(goods):
        good(breaker)
    for _ in range(failures):
        failing(breaker)

    assert breaker.state is state


@pytest.mark.parametrize(("goods", "slows", "state"), [(1, 2, State.CLOSED), (2, 5, State.CLOSED), (1, 3, State.OPEN)])
def test_it_opens_when_the_share_of_slow_calls_is_reached(
    breaker: Breaker, clock: Clock, goods: int, slows: int, state: State
) -> None:
    for _ in range(goods):
        good(breaker)
    for _ in range(slows):
        slow(breaker, clock)

    assert breaker.state is state


def test_failures_count_as_slow_calls_too(breaker: Breaker, clock: Clock) -> None:
    for _ in range(2):
        good(breaker)
    for _ in range(3):
        slow(breaker, clock)
    assert breaker.state is State.CLOSED

    for _ in range(3):
        failing(breaker)
    assert breaker.state is State.OPEN


def test_a_call_as_long_as_it_may_be_is_not_slow(breaker: Breaker, clock: Clock) -> None:
    for _ in range(POLICY.fewest):
        with breaker.attempt():
            clock.now += POLICY.slow_after

    assert breaker.state is State.CLOSED


def test_failures_older_than_the_window_are_forgotten(breaker: Breaker, clock: Clock) -> None:
    for _ in range(POLICY.fewest - 1):
        failing(breaker)
    clock.now += POLICY.window * 1.1
    failing(breaker)

    assert breaker.state is State.CLOSED


def test_an_error_that_is_an_answer_is_no_failure(breaker: Breaker) -> None:
    for _ in range(2 * POLICY.fewest):
        with pytest.raises(ValueError, match="wrong"), breaker.attempt():
            raise ValueError("wrong")

    assert breaker.state is State.CLOSED


def test_what_a_failure_is_can_be_told(clock: Clock) -> None:
    breaker = Breaker(POLICY, failures=(ValueError,), clock=clock)
    for _ in range(POLICY.fewest):
        with pytest.raises(ValueError, match="away"), breaker.attempt():
            raise ValueError("away")

    assert breaker.state is State.OPEN


def test_cancelled_calls_say_nothing_unless_they_took_too_long(breaker: Breaker, clock: Clock) -> None:
    for _ in range(2 * POLICY.fewest):
        abandoned(breaker)
    assert breaker.state is State.CLOSED

    for _ in range(POLICY.fewest):
        call = _admitted(breaker)
        clock.now += POLICY.slow_after + 0.01
        _end(call, asyncio.CancelledError())
    assert breaker.state is State.OPEN


# Open


def test_an_open_circuit_makes_no_call_and_says_when_one_may_be(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 0.5

    with pytest.raises(CircuitOpen) as refused:
        good(breaker)

    assert refused.value.retry_after == pytest.approx(POLICY.open_first - 0.5, abs=0.01)


def test_a_call_that_began_before_says_nothing_of_an_open_circuit(breaker: Breaker, clock: Clock) -> None:
    with breaker.attempt():
        half_open(breaker, clock)

    assert breaker.state is State.HALF_OPEN


@pytest.mark.parametrize(("chance", "least"), [(0.0, 1.0), (0.5, 1.5)])
def test_the_time_is_drawn_from_half_of_it_to_all(clock: Clock, chance: float, least: float) -> None:
    opened(breaker := Breaker(POLICY, clock=clock, chance=lambda: chance))

    clock.now += least - 0.01
    assert breaker.state is State.OPEN
    clock.now += 0.01
    assert breaker.state is State.HALF_OPEN


# Half-open


def test_a_good_probe_closes_it(breaker: Breaker, clock: Clock) -> None:
    good(half_open(breaker, clock))

    assert breaker.state is State.CLOSED


def test_a_closed_circuit_remembers_nothing_of_before(breaker: Breaker, clock: Clock) -> None:
    good(half_open(breaker, clock))
    for _ in range(POLICY.fewest - 1):
        failing(breaker)

    assert breaker.state is State.CLOSED


@pytest.mark.parametrize("how", ["fails", "is slow"])
def test_a_bad_probe_opens_it_again(breaker: Breaker, clock: Clock, how: str) -> None:
    half_open(breaker, clock)

    failing(breaker) if how == "fails" else slow(breaker, clock)

    assert breaker.state is State.OPEN


def test_each_bad_probe_doubles_the_time_up_to_the_longest(breaker: Breaker, clock: Clock) -> None:
    half_open(breaker, clock)
    for longest in (4, 6, 6):
        failing(breaker)
        clock.now += longest - 0.1
        assert breaker.state is State.OPEN
        clock.now += 0.1
        assert breaker.state is State.HALF_OPEN


def test_a_good_probe_makes_the_next_time_short_again(breaker: Breaker, clock: Clock) -> None:
    half_open(breaker, clock)
    failing(breaker)
    clock.now += 4
    good(breaker)
    opened(breaker)
    clock.now += POLICY.open_first

    assert breaker.state is State.HALF_OPEN


def test_after_an_abandoned_probe_the_next_call_probes(breaker: Breaker, clock: Clock) -> None:
    abandoned(half_open(breaker, clock))
    assert breaker.state is State.HALF_OPEN

    good(breaker)
    assert breaker.state is State.CLOSED


def test_only_the_probe_speaks_for_a_half_open_circuit(breaker: Breaker, clock: Clock) -> None:
    late = [_admitted(breaker) for _ in range(POLICY.fewest)]
    half_open(breaker, clock)
    probe = _admitted(breaker)

    for call in late:
        _end(call, ConnectionError())
    _end(probe, None)

    assert breaker.state is State.CLOSED


async def test_of_many_concurrent_callers_exactly_one_probes(breaker: Breaker, clock: Clock) -> None:
    half_open(breaker, clock)
    answer = asyncio.Event()
    called = 0

    async def call() -> str:
        nonlocal called
        try:
            with breaker.attempt():
                called += 1
                await answer.wait()
        except CircuitOpen:
            return "refused"
        return "called"

    callers = [asyncio.create_task(call()) for _ in range(1_000)]
    await asyncio.sleep(0)
    assert called == 1

    answer.set()
    outcomes = await asyncio.gather(*callers)
    assert (outcomes.count("called"), outcomes.count("refused")) == (1, 999)
    assert breaker.state is State.CLOSED


# Whatever happens

ENDS = {"good": None, "fail": ConnectionError(), "abandon": asyncio.CancelledError()}
steps = st.lists(
    st.tuples(
        st.sampled_from(["begin", "good", "fail", "abandon"]), st.floats(0, 5), st.floats(0, 1, exclude_max=True)
    ),
    max_size=80,
)


@given(steps)
def test_whatever_happens_one_probe_at_a_time_is_let_through_and_it_closes_again(
    drawn: list[tuple[str, float, float]],
) -> None:
    clock, chances = Clock(), [chance for _, _, chance in drawn] or [0.0]
    breaker = Breaker(POLICY, clock=clock, chance=lambda: chances[int(clock.now) % len(chances)])
    running: list[ExitStack] = []
    probe: ExitStack | None = None
    probed_until = 0.0  # a probe that takes longer keeps the next call from being one no more

    for step, passed, _ in drawn:
        clock.now += passed
        found = breaker.state
        probing = found is State.HALF_OPEN and probe in running and clock.now < probed_until
        if step == "begin" and (found is State.OPEN or probing):
            with pytest.raises(CircuitOpen) as refused:
                good(breaker)
            assert 0 < refused.value.retry_after <= POLICY.open_most
        elif step == "begin":
            running.append(call := _admitted(breaker))
            if found is State.HALF_OPEN:
                probe, probed_until = call, clock.now + POLICY.probe_within
        elif running:
            _end(running.pop(0), ENDS[step])

    for call in running:
        _end(call, None)
    clock.now += POLICY.open_most
    good(breaker)
    assert breaker.state is State.CLOSED


def _admitted(breaker: Breaker) -> ExitStack:
    call = ExitStack()
    call.enter_context(breaker.attempt())
    return call


def _end(call: ExitStack, error: BaseException | None) -> None:
    assert not call.__exit__(type(error) if error else None, error, None)


def test_by_default_slowness_opens_nothing(clock: Clock) -> None:
    breaker = Breaker(replace(POLICY, slow_after=math.inf), clock=clock)
    for _ in range(2 * POLICY.fewest):
        slow(breaker, clock)

    assert breaker.state is State.CLOSED


def test_a_probe_that_takes_long_does_not_keep_the_next_call_from_being_one(clock: Clock) -> None:
    """It may be a transfer of minutes, and there is nothing wrong with that."""
    breaker = Breaker(replace(POLICY, probe_within=1.0), clock=clock, chance=lambda: 0.0)
    for _ in range(POLICY.fewest):
        failing(breaker)
    clock.now += POLICY.open_most

    with breaker.attempt(timed=False):
        with pytest.raises(CircuitOpen) as refused, breaker.attempt():
            pass
        clock.now += 1.0
        with breaker.attempt():
            pass
        assert breaker.state is State.CLOSED

    assert refused.value.retry_after == pytest.approx(1.0)
    assert breaker.state is State.CLOSED
