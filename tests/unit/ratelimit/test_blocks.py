"""Who is shut out, for how long, and who is not."""

from collections.abc import Sequence

import pytest

from in_process.limiting import Node, nodes_on
from polling_api.ratelimit import Blocks, Figures, Party, SharedMemory, bearer, client, nobody
from polling_api.ratelimit.blocks import Block, lifted, next_block

NOON = 1_795_600_800.0  # epoch seconds
DAY = 86_400.0
FIGURES = Figures()
SCANNER = nobody("192.0.2.1", FIGURES)
CLIENT = client("client_1", FIGURES)
BEARER = bearer("token_1", "client_1", FIGURES)


@pytest.fixture
def memory() -> SharedMemory:
    return SharedMemory()


@pytest.fixture
def node(memory: SharedMemory) -> Node:
    return nodes_on(memory, 1, NOON)[0]


def guess(node: Node, ids: Sequence[int], now: float = NOON) -> None:
    """Ask for these unknown ids, one after the other."""
    for number in ids:
        node.suspects.missed(SCANNER, [f"job_{number}"], now)


async def test_the_twentieth_different_unknown_id_in_a_minute_blocks_for_a_minute(node: Node) -> None:
    guess(node, range(19))
    before = node.blocks.left(SCANNER, NOON)
    guess(node, [19], NOON + 59)

    assert before == 0
    assert node.blocks.left(SCANNER, NOON + 59) == 60
    assert node.blocks.left(SCANNER, NOON + 118.5) == 1
    assert node.blocks.left(SCANNER, NOON + 119) == 0


async def test_ids_that_are_asked_for_again_and_again_are_one(node: Node) -> None:
    guess(node, [1, 2, 3] * 100)

    assert node.blocks.left(SCANNER, NOON) == 0


async def test_twenty_unknown_ids_in_more_than_a_minute_do_not_block(node: Node) -> None:
    for number in range(100):
        guess(node, [number], NOON + 3.2 * number)

    assert node.blocks.left(SCANNER, NOON + 320) == 0


async def test_a_batch_of_unknown_ids_counts_as_one_and_as_the_same_when_it_is_the_same(node: Node) -> None:
    same = [f"job_{number}" for number in range(100)]
    for _ in range(30):
        node.suspects.missed(SCANNER, same, NOON)
    for number in range(18):
        node.suspects.missed(SCANNER, [*same, f"job_more_{number}"], NOON)
    before = node.blocks.left(SCANNER, NOON)

    node.suspects.missed(SCANNER, ["job_last"], NOON)

    assert (before, node.blocks.left(SCANNER, NOON)) == (0, 60)


@pytest.mark.parametrize("blamed", [CLIENT, BEARER])
async def test_a_block_falls_on_the_token_or_the_client_and_not_on_the_address(node: Node, blamed: Party) -> None:
    for number in range(20):
        node.suspects.missed(blamed, [f"job_{number}"], NOON)

    shut_out = [party for party in (SCANNER, CLIENT, BEARER) if node.blocks.left(party, NOON)]
    assert shut_out == [blamed]


async def test_twenty_failed_signatures_block_the_address_and_not_who_signs_rightly_there(node: Node) -> None:
    for _ in range(20):
        node.suspects.signed_wrongly(SCANNER, NOON)

    assert node.blocks.left(SCANNER, NOON) == 60
    assert node.blocks.left(CLIENT, NOON) == 0


async def test_unknown_ids_and_failed_signatures_are_not_added_up(node: Node) -> None:
    guess(node, range(19))
    for _ in range(19):
        node.suspects.signed_wrongly(SCANNER, NOON)

    assert node.blocks.left(SCANNER, NOON) == 0


def test_each_block_is_twice_as_long_up_to_a_day() -> None:
    now, known, lengths = NOON, None, list[float]()
    for _ in range(14):
        known = next_block("ip:192.0.2.1", now, known)
        lengths.append(known.ends - known.began)
        now = known.ends

    assert lengths == [60.0 * 2**doublings for doublings in range(11)] + [DAY] * 3


@pytest.mark.parametrize(("later", "length"), [(DAY - 1, 120.0), (DAY, 60.0)])
def test_a_block_is_forgotten_a_day_after_its_end(later: float, length: float) -> None:
    first = next_block("ip:192.0.2.1", NOON, None)

    second = next_block("ip:192.0.2.1", first.ends + later, first)

    assert second.ends - second.began == length


async def test_after_a_block_it_takes_twenty_more_to_be_blocked_again(node: Node) -> None:
    guess(node, range(20))
    guess(node, range(20, 39), NOON + 61)
    before = node.blocks.left(SCANNER, NOON + 61)
    guess(node, [39], NOON + 61)

    assert (before, node.blocks.left(SCANNER, NOON + 61)) == (0, 120)


async def test_what_comes_in_while_blocked_makes_it_no_longer(node: Node) -> None:
    guess(node, range(20))
    guess(node, range(100, 200), NOON + 30)

    assert node.blocks.left(SCANNER, NOON + 30) == 30


async def test_a_lifted_block_leaves_nothing_behind(node: Node) -> None:
    guess(node, range(20))
    node.blocks.lift(SCANNER.key, NOON + 1)
    guess(node, range(20, 39), NOON + 2)
    free = node.blocks.left(SCANNER, NOON + 2)
    guess(node, [39], NOON + 2)

    assert (free, node.blocks.left(SCANNER, NOON + 2)) == (0, 60)


async def test_a_block_is_known_to_all_after_two_rounds_and_its_end_too(memory: SharedMemory) -> None:
    here, there = nodes_on(memory, 2, NOON)
    guess(here, range(20))
    for node in (here, there):
        await node.round()
    known = there.blocks.left(SCANNER, NOON)

    there.blocks.lift(SCANNER.key, NOON + 5)
    for node in (there, here):
        await node.round()

    assert (known, here.blocks.left(SCANNER, NOON + 5)) == (60, 0)


async def test_guesses_that_are_spread_over_all_processes_are_added_up(memory: SharedMemory) -> None:
    nodes = nodes_on(memory, 4, NOON)
    for number, node in enumerate(nodes):
        guess(node, range(5 * number, 5 * number + 5))

    for _ in range(3):
        for node in nodes:
            await node.round()

    assert [node.blocks.left(SCANNER, NOON) for node in nodes] == [60, 60, 60, 60]


async def test_two_processes_that_block_at_the_same_time_make_one_block_of_it(memory: SharedMemory) -> None:
    nodes = nodes_on(memory, 2, NOON)
    guess(nodes[0], range(20), NOON)
    guess(nodes[1], range(20), NOON + 0.01)
    for _ in range(2):
        for node in nodes:
            await node.round()

    guess(nodes[0], range(20, 40), NOON + 62)

    assert nodes[0].blocks.left(SCANNER, NOON + 62) == 120


async def test_blocks_outlive_a_memory_that_lost_everything(memory: SharedMemory) -> None:
    here, there = nodes_on(memory, 2, NOON)
    guess(here, range(20))
    await here.round()
    memory.flush()

    for _ in range(2):
        await here.round()
    await there.round()

    assert there.blocks.left(SCANNER, NOON) == 60


async def test_blocks_hold_in_process_while_the_shared_memory_is_away_and_are_told_after(memory: SharedMemory) -> None:
    here, there = nodes_on(memory, 2, NOON)
    memory.down = True
    guess(here, range(20))
    with pytest.raises(ConnectionError):
        await here.round()
    alone = here.blocks.left(SCANNER, NOON)

    memory.down = False
    await here.round()
    await there.round()

    assert (alone, there.blocks.left(SCANNER, NOON)) == (60, 60)


def test_a_block_is_read_as_it_was_written() -> None:
    block = Block("ip:2001:db8::/64", NOON, NOON + 120, 2)

    assert Block.of(block.notice()) == block
    assert lifted("x", NOON).ends == NOON


def test_what_others_say_does_not_undo_what_began_later_here() -> None:
    blocks = Blocks()
    earlier = next_block(SCANNER.key, NOON, None)
    blocks.read([earlier.notice()], NOON)
    blocks.lift(SCANNER.key, NOON + 1)

    blocks.read([earlier.notice()], NOON + 2)

    assert blocks.left(SCANNER, NOON + 2) == 0


def test_blocks_that_nobody_can_be_told_take_bounded_memory() -> None:
    blocks = Blocks(most=100)
    told = set[str]()
    for number in range(10_000):
        blocks.block(f"ip:{number}", NOON)
        if number % 7 == 0:
            blocks.post()
            blocks.block(f"ip:{number} meanwhile", NOON)
            blocks.unposted()

    while notices := blocks.post():
        told.update(notice.name for notice in notices)
        blocks.read([], NOON)

    assert told == {block.name for block in blocks.standing(NOON)}
    assert len(told) == 100
