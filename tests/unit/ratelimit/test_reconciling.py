"""Counts of several processes come together: over the twin of Redis, with the rounds made by hand."""

from collections.abc import Sequence
from itertools import cycle, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from in_process.limiting import Node, heard_by, nodes_on
from polling_api.ratelimit import Decision, Figures, SharedMemory, client, nobody

unhurried = settings(max_examples=60, deadline=None)  # the machine may be busy with something else

NOON = 1_795_600_800.0  # epoch seconds
FIGURES = Figures()
SOMEBODY = nobody("192.0.2.1", FIGURES)
CLIENT = client("client_1", FIGURES)
JOB = "job_00000000000000000000000000000001"


@pytest.fixture
def memory() -> SharedMemory:
    return SharedMemory()


@pytest.fixture
def two(memory: SharedMemory) -> list[Node]:
    return nodes_on(memory, 2, NOON)


async def rounds(nodes: Sequence[Node], times: int = 2) -> None:
    for _ in range(times):
        for node in nodes:
            await node.round()


async def test_what_one_process_counted_is_refused_by_the_other_after_two_rounds(two: list[Node]) -> None:
    here, there = two
    here.poll(SOMEBODY, 10, JOB)

    await here.round()
    first = there.poll(SOMEBODY, 1, JOB)  # nobody asked there before, so nothing was heard
    await there.round()
    second = there.poll(SOMEBODY, 1, JOB)

    assert (first, second) == (1, 0)


async def test_counts_are_the_same_on_every_node_when_nothing_is_under_way(memory: SharedMemory) -> None:
    nodes = nodes_on(memory, 4, NOON)
    for node in nodes:
        node.poll(SOMEBODY, 2, JOB)

    await heard_by(nodes)

    assert [node.windows.peek(SOMEBODY, NOON, job=JOB).remaining for node in nodes] == [2, 2, 2, 2]


@pytest.mark.parametrize("count", [2, 4])
async def test_a_limit_is_overshot_by_at_most_what_arrives_in_two_rounds(memory: SharedMemory, count: int) -> None:
    nodes, each, party = nodes_on(memory, count, NOON), 7, client("client_2", FIGURES, own_hour=1000)
    allowed = 0
    for _ in range(200):
        allowed += sum(node.ask(party, each) for node in nodes)
        await rounds(nodes, 1)
        for node in nodes:
            node.clock.now += 0.05

    print(f"{count} processes, {count * each} requests a round: {allowed} allowed of {party.hour}")  # noqa: T201
    assert 0 <= allowed - party.hour <= 2 * count * each


async def test_a_limit_is_overshot_little_by_nodes_whose_rounds_fall_as_badly_as_they_can(memory: SharedMemory) -> None:
    small = client("client_2", FIGURES, own_hour=500)
    nodes, allowed, turns = nodes_on(memory, 4, NOON), 0, cycle(range(4))
    for _ in range(400):
        for node in nodes:
            allowed += node.ask(small, 2)
        for turn in islice(turns, 1):  # one node each time: a whole round of all takes four
            await nodes[turn].round()

    assert 500 <= allowed <= 500 + 2 * (4 * 4 * 2)


async def test_what_a_process_gives_back_can_be_used_on_another_that_refused_before(two: list[Node]) -> None:
    here, there = two
    small = client("client_2", FIGURES, own_hour=5)
    decisions = [here.windows.decide(small, NOON) for _ in range(5)]
    await here.round()
    there.ask(small, 1)
    await there.round()
    refused = there.ask(small, 1)

    for decision in decisions[:3]:
        here.windows.settle(decision, NOON, free_of_hour=True)
    await rounds(two)

    assert refused == 0
    assert there.ask(small, 9) == 2


async def test_what_was_counted_at_the_end_of_a_window_is_told_in_the_next(two: list[Node]) -> None:
    here, there = two
    here.at(NOON + 9.99).poll(SOMEBODY, 10, JOB)
    await here.at(NOON + 10.02).round()

    there.at(NOON + 10.03).poll(SOMEBODY, 1, JOB)
    await there.round()

    assert there.poll(SOMEBODY, 1, JOB) == 0
    assert there.at(NOON + 20.03).poll(SOMEBODY, 1, JOB) == 1


async def test_each_goes_on_alone_while_the_shared_memory_is_away_and_counts_come_together_after(
    two: list[Node], memory: SharedMemory
) -> None:
    memory.down = True
    alone = [node.poll(SOMEBODY, 11, JOB) for node in two]
    for node in two:
        with pytest.raises(ConnectionError):
            await node.round()

    memory.down = False
    await heard_by(two)

    assert alone == [10, 10]
    assert [node.windows.peek(SOMEBODY, NOON).remaining for node in two] == [980, 980]


async def test_nothing_counts_twice_when_a_call_came_through_and_its_answer_did_not(
    two: list[Node],
) -> None:
    here, there = two
    here.ask(SOMEBODY, 7)

    with here.losing_answers(), pytest.raises(ConnectionError):
        await here.round()
    await rounds(two)
    there.ask(SOMEBODY, 1)
    await rounds(two)

    assert there.windows.peek(SOMEBODY, NOON).remaining == 1000 - 8


async def test_a_memory_that_lost_everything_is_told_everything_again(two: list[Node], memory: SharedMemory) -> None:
    here, there = two
    here.ask(SOMEBODY, 300)
    await rounds(two)

    memory.flush()
    there.ask(SOMEBODY, 1)
    await rounds(two, 3)
    there.ask(SOMEBODY, 1)
    await rounds(two)

    assert there.windows.peek(SOMEBODY, NOON).remaining == 1000 - 302


async def test_a_count_that_was_pushed_out_is_forgotten_by_all_when_its_name_comes_again(memory: SharedMemory) -> None:
    small, other = *nodes_on(memory, 1, NOON, most=50), *nodes_on(memory, 1, NOON, name="other")
    small.ask(SOMEBODY, 30)
    other.ask(SOMEBODY, 5)
    await rounds([small, other])
    for number in range(200):
        small.ask(nobody(f"10.{number}", FIGURES), 40)
    pushed_out = small.windows.peek(SOMEBODY, NOON).remaining

    small.ask(SOMEBODY, 1)
    await rounds([small])
    other.ask(SOMEBODY, 1)
    await rounds([other, small])

    assert pushed_out == 1000
    assert [node.windows.peek(SOMEBODY, NOON).remaining for node in (small, other)] == [1000 - 6, 1000 - 7]


async def test_a_process_that_starts_again_finds_what_it_counted_before(memory: SharedMemory) -> None:
    (before,) = nodes_on(memory, 1, NOON)
    before.ask(SOMEBODY, 30)
    await before.round()

    (after,) = nodes_on(memory, 1, NOON, name="after")
    after.ask(SOMEBODY, 1)
    await after.round()

    assert after.windows.peek(SOMEBODY, NOON).remaining == 1000 - 31


async def test_a_round_says_a_bounded_part_of_what_waits_and_all_is_said_in_a_few(
    two: list[Node], memory: SharedMemory
) -> None:
    here, _ = two
    for number in range(2500):
        here.ask(nobody(f"10.{number}", FIGURES), 1)

    await here.round()
    after_one = here.counters.waiting
    await rounds([here], 4)

    assert (after_one, here.counters.waiting) == (2000, 0)
    assert [len(page[here.name]) for page in memory.pages.values()] == [2500, 0]  # the window before is asked about


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, str]]:
    return draw(
        st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["ask", "give", "round", "flush", "lose"])), max_size=60)
    )


@given(histories())
@unhurried
async def test_whatever_happens_the_counts_come_to_the_same_in_the_end(history: list[tuple[int, str]]) -> None:
    memory = SharedMemory()
    nodes = nodes_on(memory, 3, NOON)
    open_requests: list[list[Decision]] = [[], [], []]
    used = sum(node.ask(CLIENT, 1) for node in nodes)
    for which, what in history:
        node = nodes[which]
        if what == "ask":
            open_requests[which].append(node.windows.decide(CLIENT, NOON))
            used += 1
        elif what == "give" and open_requests[which]:
            node.windows.settle(open_requests[which].pop(), NOON, free_of_hour=True)
            used -= 1
        elif what == "round":
            await node.round()
        elif what == "flush":
            memory.flush()
        elif what == "lose":
            with node.losing_answers(), pytest.raises(ConnectionError):
                await node.round()

    await rounds(nodes, 3)
    await heard_by(nodes)

    assert {node.windows.peek(CLIENT, NOON).remaining for node in nodes} == {10_000 - used}
