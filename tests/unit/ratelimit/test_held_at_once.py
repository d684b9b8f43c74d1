"""What is held open at once, by name and process, and bytes under way."""

from contextlib import ExitStack

import pytest

from in_process.limiting import Node, nodes_on
from polling_api.errors import PollingError, TooMany, Unavailable
from polling_api.ratelimit import Figures, Held, Party, SharedMemory, Uploads, bearer, client, nobody

NOON = 1_795_600_800.0  # epoch seconds
FIGURES = Figures()
SOMEBODY = nobody("192.0.2.1", FIGURES)
CLIENT = client("client_1", FIGURES)


def tokens(number: int) -> Party:
    return bearer(f"token_{number}", "client_1", FIGURES)


def held_by(held: Held, party: Party, times: int, stack: ExitStack) -> int:
    """How many of so many requests are let in, and held until the stack ends."""
    let_in = 0
    for _ in range(times):
        try:
            stack.enter_context(held.hold(party))
        except PollingError:
            continue
        let_in += 1
    return let_in


@pytest.fixture
def held() -> Held:
    return Held(20_000, lambda: NOON)


@pytest.mark.parametrize(("party", "most"), [(SOMEBODY, 100), (CLIENT, 1000), (tokens(1), 20)])
def test_each_kind_of_caller_holds_so_many_and_then_no_more(held: Held, party: Party, most: int) -> None:
    with ExitStack() as stack:
        assert held_by(held, party, most + 3, stack) == most
        with pytest.raises(TooMany) as refused, held.hold(party):
            pass
    assert (refused.value.code, refused.value.retry_after) == ("too_many_streams", 30)

    with held.hold(party):
        assert len(held) == 1


def test_tokens_together_hold_as_many_as_their_client(held: Held) -> None:
    with ExitStack() as stack:
        let_in = sum(held_by(held, tokens(number), 20, stack) for number in range(60))

        assert let_in == 1000


def test_a_process_that_is_full_refuses_everybody() -> None:
    held = Held(5, lambda: NOON)
    with ExitStack() as stack:
        assert held_by(held, CLIENT, 5, stack) == 5
        with pytest.raises(Unavailable) as refused, held.hold(SOMEBODY):
            pass

    assert refused.value.code == "overloaded"
    assert len(held) == 0


def test_who_is_refused_holds_nothing(held: Held) -> None:
    with ExitStack() as stack:
        held_by(held, tokens(1), 30, stack)

        assert len(held) == 20


def test_a_hold_ends_with_its_block_whatever_happens(held: Held) -> None:
    with pytest.raises(ZeroDivisionError), held.hold(SOMEBODY):
        raise ZeroDivisionError

    assert len(held) == 0


async def test_what_is_held_elsewhere_counts_too(memory_of_two: list[Node]) -> None:
    here, there = memory_of_two
    with ExitStack() as stack:
        held_by(here.held, SOMEBODY, 60, stack)
        held_by(there.held, SOMEBODY, 1, stack)
        for node in (here, there, here):
            await node.round()

        assert held_by(there.held, SOMEBODY, 100, stack) == 39
        await there.round()
        held_by(here.held, SOMEBODY, 1, stack)
        await here.round()

        assert held_by(here.held, SOMEBODY, 1, stack) == 0


async def test_what_a_process_held_that_died_is_forgotten_after_its_lease(memory_of_two: list[Node]) -> None:
    dead, alive = memory_of_two
    dead.held.hold(SOMEBODY).__enter__()
    with ExitStack() as stack:
        held_by(dead.held, SOMEBODY, 98, stack)
        await dead.round()
        held_by(alive.held, SOMEBODY, 1, stack)
        await alive.round()
        full = held_by(alive.held, SOMEBODY, 1, stack)

        await alive.at(NOON + 31).round()

        assert full == 0
        assert held_by(alive.held, SOMEBODY, 100, stack) == 99


async def test_a_lease_is_renewed_while_something_is_held(memory_of_two: list[Node]) -> None:
    here, there = memory_of_two
    with ExitStack() as stack:
        held_by(here.held, SOMEBODY, 99, stack)
        await here.round()
        for second in range(11, 121, 11):
            await here.at(NOON + second).round()
        held_by(there.at(NOON + 121).held, SOMEBODY, 1, stack)
        await there.round()

        assert held_by(there.held, SOMEBODY, 1, stack) == 0


async def test_names_that_hold_nothing_are_forgotten(memory_of_two: list[Node]) -> None:
    here, _ = memory_of_two
    for number in range(500):
        with here.held.hold(nobody(f"10.{number}", FIGURES)):
            pass
    await here.round()
    await here.at(NOON + 11).round()

    assert here.held.names == 0


@pytest.fixture
def memory_of_two() -> list[Node]:
    return nodes_on(SharedMemory(), 2, NOON)


async def test_names_that_hold_nothing_are_forgotten_while_the_shared_memory_is_away_too() -> None:
    memory = SharedMemory()
    node = nodes_on(memory, 1, NOON)[0]
    memory.down = True
    for number in range(2_000):
        with node.held.hold(nobody(f"192.0.2.{number}", FIGURES)):
            pass

    for second in range(120):
        with pytest.raises(ConnectionError):
            await node.at(NOON + second).round()

    assert (node.held.names, node.held.waiting) == (0, 0)


def test_uploads_are_counted_by_caller_and_process_until_they_end() -> None:
    uploads = Uploads(by_party=100, process=150)
    with uploads.begin("ip:192.0.2.1") as first, uploads.begin("ip:192.0.2.2") as second:
        first.add(60)
        first.add(40)
        with pytest.raises(TooMany) as too_much:
            first.add(1)
        second.add(50)
        with pytest.raises(Unavailable):
            second.add(1)

    assert too_much.value.code == "too_many_uploads"
    assert len(uploads) == 0
    with uploads.begin("ip:192.0.2.1") as again:
        again.add(100)
