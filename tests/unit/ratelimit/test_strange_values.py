"""Somebody else may write to our Redis: no value there fails a request or a round, or holds for ever."""

from collections.abc import Iterator
from itertools import product

import pytest

from in_process.limiting import Node, nodes_on
from polling_api.ratelimit import Blocks, Figures, SharedMemory, nobody
from polling_api.ratelimit.blocks import LONGEST
from polling_api.ratelimit.counter import Counter
from polling_api.ratelimit.exchange import Notice

NOON = 1_795_600_800.0  # epoch seconds
FIGURES = Figures()
SOMEBODY = nobody("192.0.2.1", FIGURES)
JOB = "job_00000000000000000000000000000001"

NUMBERS = ("", "x", "nan", "inf", "-inf", "1e999", "9" * 400, "9" * 5000, "-5", "0", "1e300", f"{NOON + 30}")
MOMENTS = (1.0, NOON, NOON + 1e9, 1e308, float("inf"), float("nan"))


@pytest.mark.parametrize("began", MOMENTS)
@pytest.mark.parametrize("ends", NUMBERS)
def test_no_notice_shuts_anybody_out_for_longer_than_the_longest_block(ends: str, began: float) -> None:
    blocks = Blocks()

    blocks.read([Notice(SOMEBODY.key, began, f"{ends} {strikes}") for strikes in NUMBERS], NOON)

    assert 0 <= blocks.left(SOMEBODY, NOON) <= LONGEST
    blocks.lift(SOMEBODY.key, NOON + 1)
    assert blocks.left(SOMEBODY, NOON + 1) == 0
    blocks.block(SOMEBODY.key, NOON + 2)
    assert blocks.left(SOMEBODY, NOON + 2) == 60


@pytest.mark.parametrize("requests", NUMBERS)
def test_no_count_fails_a_decision_or_counts_for_longer_than_its_window(requests: str) -> None:
    for first, last in product(NUMBERS, NUMBERS):
        counter = Counter("name", 10, NOON)
        counter.take(3, NOON)
        counter.hear(counter.ends, [f"{requests} {first} {last}"])

        assert counter.used(NOON + 1) >= 3
        counter.roll(NOON + 11)
        assert counter.used(NOON + 12) >= 0
        assert NOON < counter.whole_at(NOON + 12) <= NOON + 20
        assert counter.used(NOON + 20) == 0


def _strange() -> Iterator[str]:
    yield from NUMBERS
    yield from (f"{one} {other}" for one, other in product(NUMBERS, NUMBERS))
    yield from (f"{one}@{other} {other}" for one, other in product(NUMBERS, NUMBERS))


@pytest.fixture
def memory() -> SharedMemory:
    return SharedMemory()


async def test_a_round_that_hears_nothing_but_nonsense_takes_nobody_anything_away(memory: SharedMemory) -> None:
    node, scribbler = nodes_on(memory, 2, NOON)
    with node.held.hold(SOMEBODY):
        node.poll(SOMEBODY, 1, JOB)
        node.suspects.missed(SOMEBODY, [JOB], NOON)
        await node.round()
        pages = {key: dict(page[node.name]) for key, page in memory.pages.items() if node.name in page}

        for value in _strange():
            for key, own in pages.items():
                memory.pages[key][scribbler.name] = dict.fromkeys(own, value)
            await _say_all(node)

            assert node.blocks.left(SOMEBODY, NOON) == 0
            assert node.windows.peek(SOMEBODY, NOON).remaining <= FIGURES.ip_hour


async def _say_all(node: Node) -> None:
    for part in (node.held, node.counters, node.suspects):
        part.repeat()
    await node.round()
