"""Bounded memory, however many names there are."""

from polling_api.ratelimit import Counters, Figures, Windows, nobody
from polling_api.ratelimit.crowd import Crowd

NOON = 1_795_600_800.0  # epoch seconds
FIGURES = Figures()


def crowd_of(most: int) -> Crowd[int]:
    return Crowd("test", most, float)


def test_what_was_put_is_found_and_nothing_else() -> None:
    crowd = crowd_of(3)
    crowd.put("a", 1)
    crowd.put("a", 2)

    assert (crowd.find("a"), crowd.find("b"), len(crowd)) == (2, None, 1)


def test_a_flood_of_light_names_pushes_out_itself_and_not_those_that_weigh() -> None:
    crowd = crowd_of(1000)
    for number in range(500):
        crowd.put(f"honest {number}", 30)

    for number in range(20_000):
        crowd.put(f"flood {number}", 1)

    assert len(crowd) == 1000
    assert all(crowd.find(f"honest {number}") for number in range(500))
    assert crowd.evicted == 500 + 20_000 - 1000


def test_a_sweep_forgets_all_that_are_over_in_a_few_rounds() -> None:
    crowd = crowd_of(1000)
    for number in range(100):
        crowd.put(str(number), number)

    for _ in range(20):
        crowd.sweep(lambda item: item % 2 == 0, 10)

    assert sorted(crowd.values()) == list(range(1, 100, 2))
    crowd.sweep(lambda _: True, 1000)
    assert len(crowd) == 0
    crowd.put("again", 1)
    assert crowd.find("again") == 1


def test_what_is_over_is_forgotten_in_the_rounds() -> None:
    counters = Counters()
    windows = Windows(counters, FIGURES)
    for number in range(100):
        windows.decide(nobody(f"10.{number}", FIGURES), NOON, job="job_1")

    counters.offers(1000, NOON + 30)
    after_bursts = len(counters)
    for _ in range(2):
        counters.offers(1000, NOON + 7200)

    assert (after_bursts, len(counters)) == (200, 0)
