"""What is true of the exchange over Redis is true of its twin."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from polling_api.ratelimit import Exchange, LocalExchange, RedisExchange, SharedMemory
from polling_api.ratelimit.exchange import Notice, Offer, Row

if TYPE_CHECKING:
    from in_process.carriers import RedisCarrier

Ends = tuple[Exchange, Exchange, Callable[[], Awaitable[None]]]


@pytest.fixture(params=["redis", "local"])
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[Ends]:
    """Two processes' ends, and what makes the memory between them forget everything."""
    if request.param == "local":
        memory = SharedMemory()

        async def forget() -> None:
            memory.flush()

        yield LocalExchange(memory), LocalExchange(memory), forget
        return
    carrier: RedisCarrier = request.getfixturevalue("redis")
    one, other = (RedisExchange(carrier.server.url, timeout=0.25) for _ in range(2))

    async def flush() -> None:
        async with carrier.client() as client:
            await client.flushall()

    yield one, other, flush
    await one.close()
    await other.close()


def row(key: str, field: str, value: str) -> Row:
    return Row(key, field, value, 60)


async def test_each_says_its_own_part_and_hears_all(ends: Ends) -> None:
    one, other, _ = ends
    await one.swap(Offer([row("a", "one", "1"), row("b", "one", "x y z")], [], 0))

    reply = await other.swap(Offer([row("b", "other", "2"), row("a", "other", ""), row("c", "other", "")], [], 0))

    assert list(map(list, reply.others)) == [["x y z"], ["1"], []]


async def test_what_is_said_again_replaces_what_was_said(ends: Ends) -> None:
    one, other, _ = ends
    for value in ("1", "5", "5", "3"):
        await one.swap(Offer([row("a", "one", value)], [], 0))

    reply = await other.swap(Offer([row("a", "other", "")], [], 0))

    assert list(reply.others[0]) == ["3"]


async def test_more_rows_than_fit_in_a_script_come_back_in_order(ends: Ends) -> None:
    one, other, _ = ends

    await one.swap(Offer([row(f"key {number}", "one", str(number)) for number in range(1000)], [], 0))
    reply = await other.swap(Offer([row(f"key {number}", "other", "x") for number in range(1000)], [], 0))

    assert [list(others) for others in reply.others] == [[str(number)] for number in range(1000)]


async def test_of_two_notices_about_one_name_the_one_that_began_later_holds(ends: Ends) -> None:
    one, other, _ = ends
    await one.swap(Offer([], [Notice("a", 5.5, "late one"), Notice("b", 1.0, "b")], 0))

    first = await other.swap(Offer([], [Notice("a", 4.0, "early")], 0))
    later = await other.swap(Offer([], [Notice("b", 2.0, "b again")], first.since))
    nothing = await one.swap(Offer([], [], later.since))

    assert sorted(first.notices) == [Notice("a", 5.5, "late one"), Notice("b", 1.0, "b")]
    assert list(later.notices) == [Notice("b", 2.0, "b again")]
    assert list(nothing.notices) == []


async def test_a_memory_that_forgot_has_another_name(ends: Ends) -> None:
    one, other, flush = ends
    before = {(await end.swap(Offer([], [], 0))).born for end in (one, other)}

    await flush()
    after = {(await end.swap(Offer([], [], 0))).born for end in (one, other)}

    assert len(before) == len(after) == 1
    assert before != after
