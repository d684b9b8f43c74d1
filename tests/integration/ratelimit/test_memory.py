"""A million different names."""

import tracemalloc

import pytest

from polling_api.ratelimit import Counters, Figures, Windows, nobody

NOON = 1_795_600_800.0  # epoch seconds
FIGURES = Figures()
FLOOD = 1_000_000
MIB = 1024 * 1024


@pytest.mark.timeout(300)
def test_a_million_names_take_the_room_of_fifty_thousand_and_leave_who_asks_much_where_it_is() -> None:
    counters = Counters()
    windows, eager = Windows(counters, FIGURES), nobody("192.0.2.1", FIGURES)
    for number in range(900):
        windows.decide(eager, NOON, job=f"job_{number}")

    for number in range(FLOOD):
        windows.decide(nobody(f"10.{number}", FIGURES), NOON + number * 1e-5)

    assert len(counters) <= 50_000 + 2 * 900
    assert windows.decide(eager, NOON + 11).remaining == 99


def test_all_windows_full_take_less_than_a_hundred_megabytes() -> None:
    counters = Counters()
    windows = Windows(counters, FIGURES)
    tracemalloc.start()
    for number in range(60_000):
        windows.decide(nobody(f"10.{number}", FIGURES), NOON + number * 1e-5, job=f"job_{number:032x}")
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    print(f"{len(counters)} counters take {taken / MIB:.0f} MiB")  # noqa: T201
    assert len(counters) == 150_000
    assert taken < 100 * MIB
