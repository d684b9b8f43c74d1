"""Many things that come due after the same time, with one timer."""

import asyncio

from polling_api.resilience.delays import Delay

SHORT = 0.05  # seconds


class Heard:
    """What came due."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.all = asyncio.Event()

    def due(self, item: str) -> None:
        self.items.append(item)
        if item == "last":
            self.all.set()


async def test_what_is_not_dropped_comes_due_in_the_order_in_which_it_was_added() -> None:
    heard = Heard()
    delay = Delay[str](SHORT, heard.due)
    began = asyncio.get_running_loop().time()
    for item in ("first", "dropped", "second", "last"):
        delay.add(item)
    delay.discard("dropped")

    await asyncio.wait_for(heard.all.wait(), 10)

    assert heard.items == ["first", "second", "last"]
    assert asyncio.get_running_loop().time() - began >= SHORT
    assert len(delay) == 0


async def test_a_timer_that_was_set_for_what_is_dropped_takes_nothing_from_what_came_later() -> None:
    heard = Heard()
    delay = Delay[str](SHORT, heard.due)
    delay.add("dropped")
    await asyncio.sleep(SHORT / 2)
    added = asyncio.get_running_loop().time()
    delay.add("last")
    delay.discard("dropped")

    await asyncio.wait_for(heard.all.wait(), 10)

    assert heard.items == ["last"]
    assert asyncio.get_running_loop().time() - added >= SHORT


async def test_it_waits_again_after_all_was_over() -> None:
    heard = Heard()
    delay = Delay[str](SHORT, heard.due)
    delay.add("dropped")
    delay.discard("dropped")
    delay.discard("dropped")
    await asyncio.sleep(2 * SHORT)

    delay.add("last")
    await asyncio.wait_for(heard.all.wait(), 10)

    assert heard.items == ["last"]
