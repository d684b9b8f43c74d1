"""No receiver takes another's turn."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in_process.clocks import Clock
from polling_api.store.webhook_leases import Waiting
from polling_api.webhooks.turns import MOST_LANES, Bounds, Turns

BOUNDS = Bounds(whole=20, destination=8, owner=6, destination_rate=1000, owner_rate=1000)
MANY = 32


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def turns(clock: Clock) -> Turns:
    return Turns(BOUNDS, clock)


def begin(turns: Turns, *lanes: str, due: int = MANY) -> Counter[str]:
    """Take all turns that there are for these lanes."""
    rooms = turns.rooms([Waiting(lane, due) for lane in lanes]).by_lane
    for lane, room in rooms:
        for _ in range(room):
            turns.begin(lane)
    return Counter(dict(rooms))


def widen(turns: Turns, lane: str, by: int) -> None:
    """Let a lane have so many successes."""
    for _ in range(by):
        turns.begin(lane)
        turns.end(lane, well=True)


def test_a_lane_begins_with_two_at_a_time(turns: Turns) -> None:
    assert begin(turns, "a h:1") == {"a h:1": 2}
    assert begin(turns, "a h:1") == {}


def test_each_success_widens_a_lane_up_to_half_of_what_its_destination_has(turns: Turns) -> None:
    widen(turns, "a h:1", 1)
    assert begin(turns, "a h:1") == {"a h:1": 3}

    widen(turns, "b h:2", 50)
    assert begin(turns, "b h:2") == {"b h:2": 4}


def test_a_failure_halves_a_lane_and_one_that_hangs_has_one_at_a_time(turns: Turns) -> None:
    for lane in ("a h:1", "b h:2"):
        widen(turns, lane, 50)
        turns.begin(lane)
    turns.end("a h:1", well=False)
    turns.end("b h:2", well=False, hung=True)

    assert begin(turns, "a h:1", "b h:2") == {"a h:1": 2, "b h:2": 1}


def test_an_owner_whose_receivers_hang_takes_its_own_turns_and_no_others(turns: Turns) -> None:
    dead = begin(turns, *(f"a h:{number}" for number in range(50)))
    well = begin(turns, *(f"{owner} x:1" for owner in "bcd"))

    assert dead.total() == BOUNDS.owner
    assert well == {"b x:1": 2, "c x:1": 2, "d x:1": 2}


def test_two_owners_that_hang_at_a_host_do_not_keep_a_third_from_it(turns: Turns) -> None:
    for owner in "ab":
        widen(turns, f"{owner} h:1", 50)
    assert begin(turns, "a h:1", "b h:1").total() == BOUNDS.destination

    assert begin(turns, "c h:1") == {"c h:1": 1}


def test_what_is_left_goes_to_who_has_the_least(clock: Clock) -> None:
    turns = Turns(replace(BOUNDS, whole=5), clock)
    widen(turns, "a h:1", 50)
    begin(turns, "a h:1", due=3)

    assert begin(turns, "a h:1", "b h:2", "c h:3") == {"b h:2": 1, "c h:3": 1}


def test_a_lane_that_was_well_and_hangs_now_has_no_more_than_its_share_though_others_end_all_the_time(
    clock: Clock,
) -> None:
    turns = Turns(Bounds(100, 64, 12, 10_000, 10_000), clock)
    lanes = [f"a h:{number}" for number in range(4)]
    for lane in lanes:
        widen(turns, lane, 50)
    for _ in range(50):
        for lane, room in begin(turns, *lanes).items():
            for _ in range(room if lane != "a h:0" else 0):
                turns.end(lane, well=True)

    assert turns.taken == 3  # of twelve, for four


def test_who_has_waited_longest_comes_first_among_those_who_have_as_much(clock: Clock) -> None:
    turns = Turns(replace(BOUNDS, whole=1), clock)
    served = list[str]()
    for _ in range(6):
        clock.now += 1
        served += begin(turns, "a h:1", "b h:2", "c h:3")
        turns.end(served[-1], well=True)

    assert served == ["a h:1", "b h:2", "c h:3"] * 2


def hang(turns: Turns, *lanes: str) -> None:
    """Let each of these lanes have hung."""
    for lane in lanes:
        turns.begin(lane)
        turns.end(lane, well=False, hung=True)


def test_lanes_that_hang_leave_half_of_all_turns_to_the_others_however_many_they_are(turns: Turns) -> None:
    dead = [f"o{number} h:{number}" for number in range(100)]
    hang(turns, *dead)

    assert begin(turns, *dead).total() == BOUNDS.whole // 2
    assert begin(turns, *dead, "a x:1") == {"a x:1": 2}


def test_lanes_of_an_owner_that_hang_leave_half_of_its_turns_to_its_others(turns: Turns) -> None:
    dead = [f"a h:{number}" for number in range(10)]
    hang(turns, *dead)

    assert begin(turns, *dead).total() == BOUNDS.owner // 2
    assert begin(turns, *dead, "a x:1") == {"a x:1": 2}


def test_a_lane_that_is_well_again_counts_as_the_others_do(turns: Turns) -> None:
    dead = [f"a h:{number}" for number in range(10)]
    hang(turns, *dead)
    for lane in begin(turns, *dead):
        turns.end(lane, well=True)

    assert begin(turns, *dead).total() == BOUNDS.owner


def test_no_more_begins_in_a_second_than_the_rate_of_a_destination_and_an_owner(clock: Clock) -> None:
    turns = Turns(Bounds(100, 100, 100, destination_rate=10, owner_rate=4), clock)
    begun = Counter[str]()
    for _ in range(20):
        for lane, room in begin(turns, "a h:1", "b h:1", "c h:1").items():
            begun[lane] += room
            for _ in range(room):
                turns.end(lane, well=True)

    limited = turns.rooms([Waiting("a h:1", 1)])
    assert begun == {"a h:1": 4, "b h:1": 3, "c h:1": 3}
    assert (list(limited.by_lane), limited.again is not None) == ([], True)
    clock.now += 1
    assert begin(turns, "a h:1", due=2) == {"a h:1": 2}


def test_a_lane_that_asks_to_be_left_alone_is(turns: Turns, clock: Clock) -> None:
    turns.begin("a h:1")
    turns.end("a h:1", well=False, pause=30)

    assert begin(turns, "a h:1", "b h:1") == {"b h:1": 2}
    clock.now += 31
    assert begin(turns, "a h:1")["a h:1"] == 1


def test_what_is_long_unused_is_forgotten(turns: Turns, clock: Clock) -> None:
    turns.begin("kept h:0")
    for number in range(MOST_LANES + 1):
        turns.rooms([Waiting(f"o{number} h:1", 1)])
    clock.now += 3600

    turns.rooms([])

    assert len(turns) <= 2  # the one that is taken, and the last
    turns.end("kept h:0", well=True)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz"), st.integers(0, 40)), max_size=30))
def test_no_bound_is_ever_passed_but_by_a_first_one(asked: list[tuple[str, str, int]]) -> None:
    turns, taken = Turns(BOUNDS, Clock()), Counter[str]()
    for owner, host, due in asked:
        lane = f"{owner} {host}:1"
        for name, room in begin(turns, lane, due=due).items():
            taken[name] += room

    owners, hosts = Counter[str](), Counter[str]()
    for lane, count in taken.items():
        owners[lane[0]] += count
        hosts[lane[2]] += count
    assert taken.total() <= BOUNDS.whole
    assert all(count <= BOUNDS.owner for count in owners.values())
    assert all(count <= BOUNDS.destination + 3 for count in hosts.values())
