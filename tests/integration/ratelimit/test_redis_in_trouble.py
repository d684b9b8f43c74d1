"""Redis is frozen, killed, emptied, while limits go on."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from in_process.carriers import RedisCarrier
from in_process.deadlines import eventually
from in_process.limiting import Node, heard_by
from polling_api.ratelimit import Figures, RedisExchange, client
from polling_api.ratelimit.exchange import Offer, Page

FIGURES = Figures()
CLIENT = client("client_1", FIGURES)
SMALL = client("client_2", FIGURES, own_hour=200)
FROZEN = 2.0  # seconds: eight timeouts


@pytest.fixture
async def nodes(redis: RedisCarrier) -> AsyncIterator[list[Node]]:
    """Two processes' parts, whose rounds go on by themselves."""
    exchanges = [RedisExchange(redis.server.url, f"node{number}", timeout=0.25) for number in range(2)]
    nodes = [Node(exchange, f"node{number}", time.time()) for number, exchange in enumerate(exchanges)]
    running = [asyncio.create_task(node.reconciler.run()) for node in nodes]
    yield nodes
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for exchange in exchanges:
        await exchange.close()


async def test_limits_bite_while_redis_is_frozen_and_killed_and_counts_come_together_after(
    nodes: list[Node], redis: RedisCarrier
) -> None:
    here, there = nodes
    assert [node.ask(SMALL, 50) for node in nodes] == [50, 50]
    await eventually(lambda: all(node.reconciler.together for node in nodes))

    redis.freeze()
    slowest = await slowest_decision(here, FROZEN)
    frozen = [node.ask(SMALL, 1000) for node in nodes]
    await redis.go_down()
    dead = [node.ask(SMALL, 1000) for node in nodes]
    await redis.come_back()
    await eventually(lambda: all(node.reconciler.together for node in nodes), within=10)
    await heard_by(nodes)

    print(f"the slowest decision while Redis was frozen took {slowest * 1000:.1f} ms")  # noqa: T201
    assert all(0 < allowed <= 200 for allowed in frozen)
    assert dead == [0, 0]
    assert [node.windows.peek(SMALL, node.clock.now).remaining for node in nodes] == [0, 0]
    assert here.counters.table(3600).find(f"{SMALL.key}/api").count == 100 + sum(frozen)  # pyright: ignore[reportOptionalMemberAccess]
    assert there.ask(SMALL, 1) == 0


async def slowest_decision(node: Node, seconds: float) -> float:
    """The longest that a decision of a caller of its own took, for so many seconds."""
    slowest, ends = 0.0, time.monotonic() + seconds
    while time.monotonic() < ends:
        began = time.perf_counter()
        node.ask(CLIENT, 1)
        slowest = max(slowest, time.perf_counter() - began)
        await asyncio.sleep(0.001)
    return slowest


async def test_counts_come_together_after_redis_was_emptied(nodes: list[Node], redis: RedisCarrier) -> None:
    here, there = nodes
    for node in nodes:
        node.ask(CLIENT, 100)
    await eventually(lambda: all(not node.counters.waiting and node.reconciler.together for node in nodes))

    async with redis.client() as plain:
        await plain.flushall()
    there.ask(CLIENT, 1)
    newcomer = Node(RedisExchange(redis.server.url, "newcomer", timeout=0.25), "newcomer", here.clock.now)
    newcomer.ask(CLIENT, 1)

    async with asyncio.timeout(20):  # an idle process asks every half second, and so finds out what was lost
        while newcomer.windows.peek(CLIENT, here.clock.now).remaining != 10_000 - 202:
            newcomer.counters.repeat()
            await newcomer.round()
            await asyncio.sleep(0.05)
    await newcomer.reconciler.close()


async def test_an_exchange_with_a_frozen_redis_ends_in_time_and_works_again_after(redis: RedisCarrier) -> None:
    one, other = (RedisExchange(redis.server.url, name, timeout=0.25) for name in ("one", "other"))
    now = time.time()
    said, asked = Page("a", now, 60, ("name", "1"), ()), Page("a", now, 60, (), ("name",))
    await one.swap(Offer([said], [], 0, now))

    redis.freeze()
    began = time.monotonic()
    with pytest.raises(ConnectionError):
        await one.swap(Offer([said], [], 0, now))
    took = time.monotonic() - began
    redis.thaw()
    again = await one.swap(Offer([said], [], 0, now))
    reply = await other.swap(Offer([asked], [], again.since, now))
    for exchange in (one, other):
        await exchange.close()

    assert took < 5  # a quarter of a second, on a machine that is not busy; for good, without a deadline
    assert reply.others == [{"name": {"one": "1"}}]


async def test_nothing_stays_in_redis_beyond_its_meaning(redis: RedisCarrier) -> None:
    node = Node(RedisExchange(redis.server.url, "node", timeout=5), "node", time.time())
    node.poll(CLIENT, 1, "job_1")
    node.suspects.missed(CLIENT, ["job_2"], time.time())
    with node.held.hold(CLIENT):
        await node.round()

    async with redis.client() as plain:
        lives = {key.decode(): await plain.ttl(key) async for key in plain.scan_iter("polling:*")}
    await node.reconciler.close()

    assert lives.pop("polling:{limits}:born") == -1
    assert len(lives) == 6  # a page for each of three windows, of what is held, and of suspects; and the processes
    assert all(0 < life <= 7300 for life in lives.values())
