"""What is true of the exchange over Redis is true of its twin."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from polling_api.ratelimit import Exchange, LocalExchange, RedisExchange, SharedMemory
from polling_api.ratelimit.exchange import Notice, Offer, Page
from polling_api.ratelimit.redis_exchange import BOARD, MOST_NAMES, MOST_PROCESSES

if TYPE_CHECKING:
    from in_process.carriers import RedisCarrier

Ends = tuple[Exchange, Exchange, Exchange, Callable[[], Awaitable[None]]]
NAMES = ("one", "other", "third")
NOW = time.time()
OURS = {"cmdstat_info", "cmdstat_hello", "cmdstat_client"}  # what asking for the count asks itself


@pytest.fixture(params=["redis", "local"])
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[Ends]:
    """Three processes' ends, and what makes the memory between them forget everything."""
    if request.param == "local":
        memory = SharedMemory()

        async def forget() -> None:
            memory.flush()

        one, other, third = (LocalExchange(memory, name) for name in NAMES)
        yield one, other, third, forget
        return
    carrier: RedisCarrier = request.getfixturevalue("redis")
    exchanges = [RedisExchange(carrier.server.url, name, timeout=0.25) for name in NAMES]

    async def flush() -> None:
        async with carrier.client() as client:
            await client.flushall()

    one, other, third = exchanges
    yield one, other, third, flush
    for exchange in exchanges:
        await exchange.close()


def offer(*pages: Page, notices: Sequence[Notice] = (), since: int = 0) -> Offer:
    return Offer(pages, notices, since, NOW)


def page(key: str, said: Sequence[str] = (), asked: Sequence[str] = ()) -> Page:
    """A page of now; what is said are names, each followed by its value."""
    return Page(key, NOW, 60, said, asked)


async def test_each_says_its_own_part_and_hears_of_what_it_asks_from_all_others(ends: Ends) -> None:
    one, other, third, _ = ends
    await one.swap(offer(page("a", said=("x", "1", "y", "a b c")), page("b", said=("x", "5"))))
    await other.swap(offer(page("a", said=("x", "2", "z", "3"))))

    reply = await third.swap(offer(page("b", asked=("x",)), page("a", said=("x", "9"), asked=("x", "y", "nobody's"))))

    assert reply.others == [{"x": {"one": "5"}}, {"x": {"one": "1", "other": "2"}, "y": {"one": "a b c"}}]


async def test_who_is_alone_hears_nothing(ends: Ends) -> None:
    one, *_ = ends
    said = page("a", said=("x", "1"), asked=("x",))

    replies = [await one.swap(offer(said)), await one.swap(offer(said))]

    assert [reply.others for reply in replies] == [[{}], [{}]]


async def test_what_is_said_again_replaces_what_was_said_and_leaves_the_rest(ends: Ends) -> None:
    one, other, *_ = ends
    await one.swap(offer(page("a", said=("y", "7"))))
    for value in ("1", "5", "5", "3"):
        await one.swap(offer(page("a", said=("x", value))))

    reply = await other.swap(offer(page("a", asked=("x", "y"))))

    assert reply.others == [{"x": {"one": "3"}, "y": {"one": "7"}}]


async def test_a_thousand_names_are_said_and_heard_in_one_call(ends: Ends) -> None:
    one, other, *_ = ends
    names = [f"name {number}" for number in range(1000)]

    await one.swap(offer(page("a", said=[word for name in names for word in (name, name[5:])])))
    reply = await other.swap(offer(page("a", asked=names)))

    assert reply.others == [{name: {"one": name[5:]} for name in names}]


async def test_of_two_notices_about_one_name_the_one_that_began_later_holds(ends: Ends) -> None:
    one, other, *_ = ends
    await one.swap(offer(notices=[Notice("a", 5.5, "late one"), Notice("b", 1.0, "b")]))

    first = await other.swap(offer(notices=[Notice("a", 4.0, "early")]))
    later = await other.swap(offer(notices=[Notice("b", 2.0, "b again")], since=first.since))
    nothing = await one.swap(offer(since=later.since))

    assert sorted(first.notices) == [Notice("a", 5.5, "late one"), Notice("b", 1.0, "b")]
    assert list(later.notices) == [Notice("b", 2.0, "b again")]
    assert list(nothing.notices) == []


async def test_a_memory_that_forgot_has_another_name_and_is_told_again(ends: Ends) -> None:
    one, other, _, flush = ends
    said, asked = offer(page("a", said=("x", "1"))), offer(page("a", asked=("x",)))
    before = {(await one.swap(said)).born, (await other.swap(asked)).born}

    await flush()
    empty = await other.swap(asked)
    again = await one.swap(said)
    heard = await other.swap(asked)

    assert len(before) == 1
    assert {empty.born, again.born, heard.born} == {empty.born}
    assert empty.born not in before
    assert (empty.others, heard.others) == ([{}], [{"x": {"one": "1"}}])


async def test_the_commands_of_a_round_depend_on_pages_and_processes_and_on_no_name(redis: "RedisCarrier") -> None:
    one, other = (RedisExchange(redis.server.url, name, timeout=1) for name in NAMES[:2])
    few, many = (offer(page(key, *_said_and_asked(names))) for key, names in (("few", 1), ("many", 500)))
    costs: list[int] = []
    for offered in (few, few, many):
        await other.swap(offered)
        before = await _commands(redis)
        await one.swap(offered)
        costs.append(await _commands(redis) - before)
    for exchange in (one, other):
        await exchange.close()

    entering, *costs = costs
    assert costs[0] == costs[1] < entering


async def test_processes_that_spoke_long_ago_are_not_asked_and_of_many_the_last_ones_are(
    redis: "RedisCarrier",
) -> None:
    said, asked = Page("a", NOW, 600, ("x", "1"), ()), Page("a", NOW, 600, (), ("x",))
    for number in range(MOST_PROCESSES + 5):
        exchange = RedisExchange(redis.server.url, f"{number:02}", timeout=1)
        await exchange.swap(Offer([said], [], 0, NOW + number / 1000))
        await exchange.close()

    reader = RedisExchange(redis.server.url, "reader", timeout=1)
    at_once = await reader.swap(Offer([asked], [], 0, NOW + 1))
    later = await reader.swap(Offer([asked._replace(begins=NOW + 30)], [], 0, NOW + 30))
    much_later = await reader.swap(Offer([asked], [], 0, NOW + 7301))
    forgotten = await reader.swap(Offer([asked], [], 0, NOW + 7302))
    await reader.close()

    assert len(at_once.others[0]["x"]) == MOST_PROCESSES
    assert later.others == [{}]
    assert len(much_later.others[0]["x"]) > 0
    assert forgotten.others == [{}]


async def test_a_page_that_a_flood_of_names_fills_is_begun_anew(redis: "RedisCarrier") -> None:
    one, other = (RedisExchange(redis.server.url, name, timeout=1) for name in NAMES[:2])
    last = MOST_NAMES // 1000 + 1
    for number in range(last + 1):
        await one.swap(offer(page("a", said=[word for each in range(1000) for word in (f"{number} {each}", "1")])))

    reply = await other.swap(offer(page("a", asked=("0 0", f"{last} 0"))))
    async with redis.client() as plain:
        kept = await plain.hlen("a:one")
    for exchange in (one, other):
        await exchange.close()

    assert reply.others == [{f"{last} 0": {"one": "1"}}]
    assert kept <= 2001


def _said_and_asked(count: int) -> tuple[list[str], list[str]]:
    names = [f"name {number}" for number in range(count)]
    return [word for name in names for word in (name, "1")], names


async def _commands(redis: "RedisCarrier") -> int:
    async with redis.client() as plain:
        counts = await plain.info("commandstats")
    return sum(count["calls"] for name, count in counts.items() if name not in OURS)


async def test_a_board_that_was_forgotten_for_want_of_news_is_heard_again(redis: "RedisCarrier") -> None:
    one, other = (RedisExchange(redis.server.url, name, timeout=0.25) for name in ("one", "other"))
    await one.swap(offer(notices=[Notice(f"ip:{number}", NOW, "news") for number in range(5)]))
    since = (await other.swap(offer())).since
    async with redis.client() as plain:
        for key in BOARD:
            if await plain.ttl(key) > 0:  # days without a block
                await plain.delete(key)

    await one.swap(offer(notices=[Notice("ip:6", NOW, "news")]))
    heard = (await other.swap(offer(since=since))).notices
    for exchange in (one, other):
        await exchange.close()

    assert [notice.name for notice in heard] == ["ip:6"]


@pytest.mark.parametrize("evicted", BOARD)
async def test_a_board_of_which_redis_dropped_a_part_is_heard_again(redis: "RedisCarrier", evicted: str) -> None:
    one, other = (RedisExchange(redis.server.url, name, timeout=0.25) for name in ("one", "other"))
    await one.swap(offer(notices=[Notice(f"ip:{number}", NOW, "news") for number in range(5)]))
    since = (await other.swap(offer())).since
    async with redis.client() as plain:
        await plain.delete(evicted)

    await one.swap(offer(notices=[Notice("ip:6", NOW, "news")]))
    heard = (await other.swap(offer(since=since))).notices
    for exchange in (one, other):
        await exchange.close()

    assert "ip:6" in [notice.name for notice in heard]


@pytest.mark.parametrize("place", ["+inf", "1e300", "-1"])
async def test_a_change_that_somebody_else_put_on_the_board_hides_none_of_ours(
    redis: "RedisCarrier", place: str
) -> None:
    one, other = (RedisExchange(redis.server.url, name, timeout=0.25) for name in ("one", "other"))
    async with redis.client() as plain:
        await plain.execute_command("ZADD", BOARD[1], place, "ip:0")  # pyright: ignore[reportUnknownMemberType]

    before = await other.swap(offer())
    await one.swap(offer(notices=[Notice("ip:6", NOW, "news")]))
    heard = (await other.swap(offer(since=before.since))).notices
    for exchange in (one, other):
        await exchange.close()

    assert "ip:6" in [notice.name for notice in heard]
