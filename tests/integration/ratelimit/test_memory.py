"""Many times as many names as there is room for. The room is a tenth of the service's, or it would take a minute."""

import tracemalloc

from polling_api.ratelimit import Counters, Figures, Windows, nobody

NOON = 1_795_600_800.0  # epoch seconds
FIGURES = Figures()
ROOM = 5_000  # names for each window
FLOOD = 20 * ROOM
MIB = 1024 * 1024


def test_twenty_times_the_names_take_no_more_than_the_room_and_leave_who_asks_much_where_it_is() -> None:
    counters = Counters(most=ROOM)
    windows, eager = Windows(counters, FIGURES), nobody("192.0.2.1", FIGURES)
    for number in range(900):
        windows.decide(eager, NOON, job=f"job_{number}")

    for number in range(FLOOD):
        windows.decide(nobody(f"10.{number}", FIGURES), NOON + number * 10 / FLOOD)

    assert len(counters) <= ROOM + 2 * 900
    assert windows.decide(eager, NOON + 11).remaining == 99


def test_all_windows_full_take_less_than_a_tenth_of_a_hundred_megabytes() -> None:
    counters = Counters(most=ROOM)
    windows = Windows(counters, FIGURES)
    tracemalloc.start()
    for number in range(ROOM + ROOM // 5):
        windows.decide(nobody(f"10.{number}", FIGURES), NOON + number * 1e-5, job=f"job_{number:032x}")
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    print(f"{len(counters)} counters take {taken / MIB:.1f} MiB")  # noqa: T201
    assert len(counters) == 3 * ROOM
    assert taken < 10 * MIB
