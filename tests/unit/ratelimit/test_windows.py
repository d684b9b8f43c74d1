"""How many requests go through, at each edge of each window."""

import pytest

from polling_api.ratelimit import (
    POLL,
    STREAM,
    WAIT,
    Counters,
    Decision,
    Figures,
    Party,
    Windows,
    bearer,
    client,
    nobody,
)
from polling_api.ratelimit.party import UNLIMITED
from polling_api.ratelimit.windows import weight_of

NOON = 1_795_600_800.0  # epoch seconds; a whole hour
JOB = "job_00000000000000000000000000000001"
FIGURES = Figures()
SOMEBODY = nobody("192.0.2.1", FIGURES)
CLIENT = client("client_1", FIGURES)


@pytest.fixture
def windows() -> Windows:
    return Windows(Counters(), FIGURES)


def asked(windows: Windows, times: int, now: float, party: Party = SOMEBODY) -> list[bool]:
    """Whether each of so many requests at one moment is allowed; each of another job."""
    return [windows.decide(party, now, job=f"job_{number}").allowed for number in range(times)]


def polled(windows: Windows, times: int, now: float, endpoint: str = POLL) -> int:
    """How many of so many polls of one job at one moment are allowed."""
    return sum(windows.decide(SOMEBODY, now, job=JOB, endpoint=endpoint).allowed for _ in range(times))


@pytest.mark.parametrize("phase", [0.0, 0.1, 4.9, 9.9])
def test_ten_polls_of_one_job_go_through_at_once_and_the_next_ten_after_ten_seconds(
    windows: Windows, phase: float
) -> None:
    began = NOON + phase

    assert polled(windows, 11, began) == 10
    assert polled(windows, 1, began + 9.99) == 0
    assert polled(windows, 11, began + 10.0) == 10


@pytest.mark.parametrize("phase", [0.0, 7.0, 59.0])
def test_sixty_polls_a_minute_of_one_job_go_through_however_long(windows: Windows, phase: float) -> None:
    allowed = [polled(windows, 1, NOON + phase + second) for second in range(600)]

    assert sum(allowed) == 600


def test_the_sixty_first_poll_within_a_minute_is_refused(windows: Windows) -> None:
    allowed = sum(polled(windows, 10, NOON + 10 * burst) for burst in range(6))

    refused = windows.decide(SOMEBODY, NOON + 59.9, job=JOB)

    assert allowed == 60
    assert not refused.allowed
    assert refused.which == "minute"
    assert windows.decide(SOMEBODY, NOON + 60.0, job=JOB).allowed


@pytest.mark.parametrize("phase", [0.0, 1.0, 1800.0, 3599.0])
def test_a_thousand_requests_an_hour_go_through_and_the_next_thousand_an_hour_later(
    windows: Windows, phase: float
) -> None:
    began = NOON + phase

    assert sum(asked(windows, 1001, began)) == 1000
    assert sum(asked(windows, 1, began + 3599.9)) == 0
    assert sum(asked(windows, 1001, began + 3600)) == 1000


@pytest.mark.parametrize(
    ("party", "hour"),
    [
        (SOMEBODY, 1000),
        (CLIENT, 10_000),
        (client("client_2", FIGURES, own_hour=12), 12),
        (bearer("token_1", "client_1", FIGURES), 1000),
    ],
)
def test_each_kind_of_caller_has_its_own_figure(windows: Windows, party: Party, hour: int) -> None:
    assert sum(asked(windows, hour + 1, NOON, party)) == hour


def test_a_figure_changes_without_forgetting_what_was_used(windows: Windows) -> None:
    asked(windows, 12, NOON, client("client_2", FIGURES, own_hour=12))

    raised = asked(windows, 9, NOON, client("client_2", FIGURES, own_hour=20))

    assert sum(raised) == 8


def test_polls_waits_and_streams_of_a_job_are_counted_apart(windows: Windows) -> None:
    assert [polled(windows, 11, NOON, endpoint) for endpoint in (POLL, WAIT, STREAM)] == [10, 10, 10]


def test_jobs_and_callers_are_counted_apart(windows: Windows) -> None:
    polled(windows, 10, NOON)

    assert windows.decide(SOMEBODY, NOON, job="job_another").allowed
    assert windows.decide(CLIENT, NOON, job=JOB).allowed
    assert windows.decide(nobody("192.0.2.2", FIGURES), NOON, job=JOB).allowed


def test_a_refused_request_is_counted_nowhere(windows: Windows) -> None:
    polled(windows, 500, NOON)

    fresh = windows.decide(SOMEBODY, NOON, job=None)

    assert fresh.remaining == 1000 - 10 - 1


def test_a_call_without_a_job_knows_the_hour_alone(windows: Windows) -> None:
    decisions = [windows.decide(SOMEBODY, NOON) for _ in range(50)]

    assert all(decision.allowed for decision in decisions)
    assert (decisions[-1].which, decisions[-1].limit, decisions[-1].remaining) == ("hour", 1000, 950)


@pytest.mark.parametrize(("jobs", "weight"), [(0, 1), (1, 1), (20, 1), (21, 2), (100, 5)])
def test_a_call_about_many_jobs_counts_once_for_each_twenty_begun(windows: Windows, jobs: int, weight: int) -> None:
    decision = windows.decide(SOMEBODY, NOON, weight=weight_of(jobs))

    assert decision.remaining == 1000 - weight


def test_a_call_that_weighs_more_than_a_whole_limit_is_possible_once(windows: Windows) -> None:
    small = client("client_2", FIGURES, own_hour=3)

    assert [windows.decide(small, NOON, weight=5).allowed for _ in range(2)] == [True, False]


def test_the_figures_are_those_of_the_limit_with_the_smallest_share_left(windows: Windows) -> None:
    first = windows.decide(SOMEBODY, NOON, job=JOB)
    for second in range(10, 60, 10):
        polled(windows, 9, NOON + second)
    later = windows.decide(SOMEBODY, NOON + 61, job=JOB)

    assert (first.which, first.limit, first.remaining, first.reset) == ("burst", 10, 9, NOON + 10)
    assert (later.which, later.limit, later.remaining, later.reset) == ("minute", 60, 14, NOON + 61 + 60)


def test_at_the_reset_the_whole_limit_is_free(windows: Windows) -> None:
    polled(windows, 3, NOON + 0.5)
    reset = windows.decide(SOMEBODY, NOON + 4.2, job=JOB).reset

    assert windows.peek(SOMEBODY, reset, job=JOB).which == "minute"
    assert polled(windows, 11, reset) == 10


def test_looking_at_the_figures_counts_nothing(windows: Windows) -> None:
    windows.decide(SOMEBODY, NOON, job=JOB)

    looks = [windows.peek(SOMEBODY, NOON, job=JOB).remaining for _ in range(3)]

    assert looks == [9, 9, 9]


def test_a_wait_that_was_held_for_a_second_is_not_in_the_burst(windows: Windows) -> None:
    for number in range(30):
        decision = windows.decide(SOMEBODY, NOON + number * 1.5, job=JOB, endpoint=WAIT)
        assert decision.allowed
        windows.settle(decision, NOON + number * 1.5 + 1.4, free_of_burst=True)

    assert windows.peek(SOMEBODY, NOON + 45, job=JOB, endpoint=WAIT)[1:3] == (60, 30)


def test_what_is_not_modified_is_not_in_a_clients_hour(windows: Windows) -> None:
    settled = [
        windows.settle(windows.decide(CLIENT, NOON + second, job=JOB), NOON + second, free_of_hour=True)
        for second in range(0, 600, 2)
    ]

    assert (settled[-1].which, settled[-1].remaining) == ("minute", 30)
    assert windows.decide(CLIENT, NOON + 600).remaining == 9_999


def test_the_figures_of_a_settled_request_are_those_of_its_end(windows: Windows) -> None:
    decision = windows.decide(CLIENT, NOON + 8, job=JOB, endpoint=WAIT)
    for _ in range(4):
        windows.decide(CLIENT, NOON + 9, job=JOB, endpoint=WAIT)

    settled = windows.settle(decision, NOON + 30, free_of_burst=True)

    assert (settled.limit, settled.remaining) == (60, 55)
    assert settled.reset > NOON + 30


def test_a_wait_that_is_settled_while_it_is_held_gives_back_its_burst_once(windows: Windows) -> None:
    held = windows.settle(windows.decide(SOMEBODY, NOON + 1, job=JOB, endpoint=WAIT), NOON + 2, free_of_burst=True)
    polled(windows, 10, NOON + 2, WAIT)

    windows.settle(held, NOON + 3, free_of_burst=True)

    assert polled(windows, 1, NOON + 3, WAIT) == 0


def test_thousands_who_wait_for_one_job_hold_the_same_and_not_equal_things(windows: Windows) -> None:
    waits = [windows.decide(SOMEBODY, NOON, job=JOB, endpoint=WAIT) for _ in range(3)]
    held = [windows.settle(wait, NOON + 1, free_of_burst=True) for wait in waits]

    assert all(wait.taken is waits[0].taken for wait in waits)
    assert all(wait.taken is held[0].taken for wait in held)
    assert held[0].taken != waits[0].taken


def test_what_is_given_back_after_the_window_has_ended_does_not_make_room_in_the_next(windows: Windows) -> None:
    waits = [windows.decide(SOMEBODY, NOON + 1, job=JOB, endpoint=WAIT) for _ in range(3)]
    for wait in waits:
        windows.settle(wait, NOON + 29, free_of_burst=True)

    assert polled(windows, 11, NOON + 29, WAIT) == 10


def test_a_thing_given_back_in_the_next_window_counts_no_more_there(windows: Windows) -> None:
    waits = [windows.decide(SOMEBODY, NOON + 9, job=JOB, endpoint=WAIT) for _ in range(10)]
    assert not windows.decide(SOMEBODY, NOON + 11, job=JOB, endpoint=WAIT).allowed

    windows.settle(waits[0], NOON + 11, free_of_burst=True)

    assert polled(windows, 2, NOON + 11, WAIT) == 1


def test_a_refusal_says_when_to_come_back(windows: Windows) -> None:
    polled(windows, 10, NOON + 2)

    refused = windows.decide(SOMEBODY, NOON + 5.5, job=JOB)

    assert refused == Decision(
        allowed=False, limit=10, remaining=0, reset=int(NOON) + 12, which="burst", at=NOON + 5.5, retry_after=7
    )


def test_where_two_limits_refuse_the_later_one_says_when_to_come_back(windows: Windows) -> None:
    for burst in range(6):
        polled(windows, 10, NOON + 10 * burst)

    refused = windows.decide(SOMEBODY, NOON + 51, job=JOB)

    assert refused.retry_after == 9  # the minute and the burst both open at +60


def test_a_clock_that_is_set_back_frees_nothing_and_fails_nothing(windows: Windows) -> None:
    polled(windows, 10, NOON + 15)

    assert polled(windows, 1, NOON + 3) == 0
    assert polled(windows, 1, NOON + 25) == 1


def test_a_figure_of_nothing_is_no_limit() -> None:
    windows = Windows(Counters(), Figures(burst=0, job_minute=0).meant())

    assert polled(windows, 500, NOON) == 500
    assert Figures(ip_hour=0).meant().ip_hour == UNLIMITED


def test_a_name_that_is_far_too_long_takes_no_more_memory_than_others(windows: Windows) -> None:
    decisions = [windows.decide(SOMEBODY, NOON, job="j" * 8000 + str(number)) for number in range(11)]

    assert [decision.allowed for decision in decisions] == [True] * 10 + [False]
