"""How many connections a process takes."""

import pytest

from polling_api.errors import Unavailable
from polling_api.protocol import Bounds, Capacity
from polling_api.protocol.connection import LINGER_OF_THE_LATE, LINGER_SECONDS
from polling_api.protocol.reading import Reading
from polling_api.server import DESCRIPTORS_KEPT, capacity_within
from polling_api.settings import Settings

GONE_WITHIN = 15.0  # seconds: the promise about slow clients


def taken(capacity: Capacity, peer: str | None, times: int) -> int:
    """How many of so many connections of a peer are taken."""
    count = 0
    for _ in range(times):
        try:
            capacity.enter(peer)
        except Unavailable:
            return count
        count += 1
    return count


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", None, "10.1.2.3"])
def test_this_machine_and_trusted_proxies_are_not_counted_by_address(peer: str | None) -> None:
    settings = Settings(limit_connections_address=2, trusted_proxies=("10.0.0.0/8",))

    assert taken(capacity_within(settings, 10_000), peer, 9) == 9


@pytest.mark.parametrize("peer", ["192.0.2.1", "2001:db8::1"])
def test_an_address_has_so_many_and_its_neighbours_theirs(peer: str) -> None:
    capacity = capacity_within(Settings(limit_connections_address=2), 10_000)

    assert taken(capacity, peer, 9) == 2
    assert taken(capacity, "198.51.100.1", 9) == 2


def test_ipv6_counts_by_64_bits() -> None:
    capacity = capacity_within(Settings(limit_connections_address=2), 10_000)
    capacity.enter("2001:db8::1")
    capacity.enter("2001:db8::ffff:2")

    with pytest.raises(Unavailable) as refused:
        capacity.enter("2001:db8::3")

    assert refused.value.code == "overloaded"


@pytest.mark.parametrize(
    ("wanted", "descriptors", "most"),
    [(100, 10_000, 100), (100, DESCRIPTORS_KEPT + 7, 7), (0, DESCRIPTORS_KEPT + 7, 7), (100, 3, 1), (100, -1, 100)],
)
def test_no_more_are_taken_than_there_are_descriptors_for(wanted: int, descriptors: int, most: int) -> None:
    capacity = capacity_within(Settings(limit_connections_process=wanted), descriptors)

    assert taken(capacity, "127.0.0.1", 200) == most


def test_the_cap_leaves_room_for_all_that_may_be_held() -> None:
    settings = Settings()

    assert settings.limit_connections_process > settings.limit_held_process
    assert settings.limit_connections_address > settings.limit_held_client > settings.limit_held_ip


def test_what_was_counted_and_let_go_is_forgotten() -> None:
    capacity = Capacity(10, 10, lambda _: False)
    names = [capacity.enter(f"192.0.2.{number}") for number in range(10)]

    for name in names:
        capacity.leave(name)

    assert (capacity.open, capacity.addresses) == (0, 0)


def test_a_slow_head_and_a_stalled_body_are_gone_in_time() -> None:
    settings = Settings()

    assert settings.head_seconds + LINGER_OF_THE_LATE < GONE_WITHIN
    assert settings.body_seconds + LINGER_OF_THE_LATE < GONE_WITHIN
    assert LINGER_SECONDS < GONE_WITHIN


def test_a_body_that_falls_silent_has_no_more_time_for_all_that_came_before() -> None:
    reading = Reading(Bounds(head_seconds=10, body_seconds=10, body_rate=1000, stalled_seconds=30))
    reading.begin()
    reading.begin_body()
    reading.since = reading.heard = 0.0
    reading.take_body(100_000)
    reading.heard = 2.0

    assert reading.left(2.0) == 10.0
    assert reading.left(12.0) == 0.0


def test_a_body_that_drips_has_the_time_that_its_rate_gives_it() -> None:
    reading = Reading(Bounds(head_seconds=10, body_seconds=10, body_rate=1000, stalled_seconds=30))
    reading.begin()
    reading.begin_body()
    reading.since = 0.0
    reading.take_body(3_000)
    reading.heard = 12.9

    assert reading.left(13.0) == 0.0
