"""One after the other, by name."""

import asyncio

import pytest

from polling_api.errors import Unavailable
from polling_api.resilience.turns import Turns


async def test_those_of_one_name_go_one_by_one_in_their_order_and_others_beside_them() -> None:
    turns, begun, go_on = Turns(), list[str](), asyncio.Event()

    async def one(name: str, label: str) -> None:
        async with turns.of(name):
            begun.append(label)
            await go_on.wait()

    tasks = [asyncio.create_task(one(label[0], label)) for label in ("a1", "a2", "b1", "a3")]
    await asyncio.sleep(0)
    at_first = list(begun)
    go_on.set()
    await asyncio.gather(*tasks)

    assert at_first == ["a1", "b1"]
    assert begun == ["a1", "b1", "a2", "a3"]
    assert len(turns) == 0


async def test_whose_turn_does_not_come_is_told_so_and_who_is_cancelled_keeps_nobody() -> None:
    turns = Turns(within=0.01)
    async with turns.of("a"):
        with pytest.raises(Unavailable):
            async with turns.of("a"):
                pass
        cancelled = asyncio.create_task(turns.of("a").__aenter__())
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)

    async with turns.of("a"):
        assert len(turns) == 1
    assert len(turns) == 0


async def test_a_turn_that_fails_is_over() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="failed"):
        async with turns.of("a"):
            raise ValueError("failed")

    assert len(turns) == 0
