"""Many who are told something, and those who know it and ask again."""

import asyncio
from collections.abc import Callable
from itertools import count, pairwise

import pytest

from in_process.deadlines import eventually
from polling_api.resilience.news_first import ENDED_AT_ONCE, FEW, RESUMED_AT_ONCE, TURN, NewsFirst

MANY = 3 * FEW + 1


class Order:
    """What happened, in its order."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.went_on: list[int] = []  # for each who went on: how many had been told by then
        self.all_went_on = asyncio.Event()

    def tell(self, listener: int) -> None:
        self.told.append(listener)


def slow() -> Callable[[], float]:
    """A clock by which each look at it is a turn later, so that a turn is for a few."""
    return count(step=TURN).__next__


class Asking:
    """Somebody who asks again; the last of them says so."""

    def __init__(self, order: Order, *, last: bool = False) -> None:
        self._order = order
        self._last = last

    def go_on(self) -> None:
        self._order.went_on.append(len(self._order.told))
        if self._last:
            self._order.all_went_on.set()


async def test_a_few_are_told_at_once_and_nobody_is_held_back() -> None:
    order, news = Order(), NewsFirst(clock=slow())

    news.tell({*range(FEW)}, order.tell)

    assert order.told == [*range(FEW)]
    assert not news.telling


async def test_many_are_told_in_their_order_and_leave_the_loop_to_others_in_between() -> None:
    order, news = Order(), NewsFirst(clock=slow())
    news.tell({*range(MANY)}, order.tell)
    turns = [len(order.told)]

    while len(order.told) < MANY:
        await asyncio.sleep(0)
        turns.append(len(order.told))

    assert order.told == [*range(MANY)]
    assert max(later - sooner for sooner, later in pairwise(turns)) <= FEW


async def test_who_is_held_back_goes_on_when_all_have_been_told() -> None:
    order, news = Order(), NewsFirst(clock=slow())
    news.tell({*range(MANY)}, order.tell)
    held = 2 * RESUMED_AT_ONCE + 1
    for number in range(held):
        news.hold_back(Asking(order, last=number == held - 1))

    await asyncio.wait_for(order.all_went_on.wait(), 10)

    assert order.went_on == [MANY] * held
    assert not news.telling


async def test_all_end_before_anybody_goes_on() -> None:
    order, news, done = Order(), NewsFirst(clock=slow()), list[int]()
    ends = 2 * ENDED_AT_ONCE + 1
    news.tell({*range(MANY)}, order.tell)
    news.hold_back(Asking(order))
    for _ in range(ends):
        news.end_first(lambda: done.append(len(order.went_on)))
    news.hold_back(Asking(order, last=True))

    await asyncio.wait_for(order.all_went_on.wait(), 10)

    assert done == [0] * ends


async def test_nobody_is_held_back_until_something_else_is_told_too_but_until_all_of_it_is() -> None:
    order, news = Order(), NewsFirst(clock=slow())
    news.tell({*range(MANY)}, order.tell)
    news.hold_back(Asking(order, last=True))
    news.tell({*range(2 * MANY)}, order.tell)

    await asyncio.wait_for(order.all_went_on.wait(), 10)

    assert order.went_on == [3 * MANY]


async def test_what_is_told_for_too_long_holds_nobody_back() -> None:
    order, news = Order(), NewsFirst(held_back_for=0, clock=slow())
    endless = 1_000 * FEW
    news.tell({*range(endless)}, order.tell)
    news.hold_back(Asking(order, last=True))

    await asyncio.wait_for(order.all_went_on.wait(), 10)

    assert order.went_on[0] < endless
    await eventually(lambda: len(order.told) == endless)
    assert order.told == [*range(endless)]
    assert not news.telling


async def test_who_was_told_first_goes_on_though_more_and_more_is_told() -> None:
    order, news = Order(), NewsFirst(held_back_for=0, clock=slow())
    endless = 1_000 * FEW
    news.tell({*range(endless)}, lambda _: news.end_first(list))  # each adds an end, and all come before who goes on
    news.hold_back(Asking(order, last=True))
    news.tell({*range(endless)}, order.tell)

    await asyncio.wait_for(order.all_went_on.wait(), 10)

    assert order.went_on[0] < endless


async def test_news_for_fewer_is_not_behind_all_of_the_news_for_more() -> None:
    news, told = NewsFirst(clock=slow()), list[str]()
    news.tell({*range(100 * FEW)}, lambda _: told.append("more"))
    news.tell({*range(MANY)}, lambda _: told.append("fewer"))

    await eventually(lambda: told.count("fewer") == MANY)

    assert told[: 3 * MANY].count("fewer") == MANY


async def test_it_is_telling_while_one_of_many_is_called_and_not_between_turns() -> None:
    news, telling = NewsFirst(clock=slow()), list[bool]()
    few, many = {*range(FEW)}, {*range(FEW, FEW + MANY)}

    for some in (few, many):
        news.tell(some, lambda _: telling.append(news.telling))
        assert not news.telling
    await eventually(lambda: len(telling) == FEW + MANY)

    assert telling == [False] * FEW + [True] * MANY


async def test_who_was_forgotten_does_not_go_on() -> None:
    order, news = Order(), NewsFirst(clock=slow())
    gone, last = Asking(order), Asking(order, last=True)
    news.tell({*range(MANY)}, order.tell)
    news.hold_back(gone)
    news.hold_back(last)
    news.forget(gone)

    await asyncio.wait_for(order.all_went_on.wait(), 10)

    assert order.went_on == [MANY]


async def test_who_leaves_before_its_turn_is_not_told() -> None:
    order, news, listeners = Order(), NewsFirst(clock=slow()), {*range(MANY)}
    news.tell(listeners, order.tell)
    listeners.discard(MANY - 1)
    news.hold_back(Asking(order, last=True))

    await asyncio.wait_for(order.all_went_on.wait(), 10)

    assert order.told == [*range(MANY - 1)]


async def test_a_turn_is_as_long_as_its_time_and_not_for_so_many() -> None:
    order, news = Order(), NewsFirst(clock=lambda: 0.0)

    news.tell({*range(MANY)}, order.tell)

    assert order.told == [*range(MANY)]


async def test_a_listener_that_fails_holds_nobody_back() -> None:
    news = NewsFirst(clock=slow())

    def fail(_: int) -> None:
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        news.tell({*range(MANY)}, fail)

    assert not news.telling
