"""What only a real Redis can do: freeze, and be looked into."""

import asyncio
import time
from collections.abc import Callable

import pytest

from in_process.nonces import POLICY, Node, RedisKeeper
from polling_api.resilience.breaker import State
from polling_api.signing.nonces import KEPT, Burnt, NonceStore
from polling_api.signing.nonces.redis import MOST_WAITING, TIMEOUT

NodeOn = Callable[[NonceStore], Node]
KEY, NONCE = "key_1", "n" * 32
GENEROUS = 5.0  # seconds, where 20 ms are the rule: without one a frozen Redis would hold a call for good


async def test_a_frozen_redis_holds_nobody(redis_keeper: RedisKeeper, node_on: NodeOn) -> None:
    node = node_on(redis_keeper.store(timeout=TIMEOUT))
    redis_keeper.carrier.freeze()
    began = time.monotonic()

    found = await asyncio.gather(*(node.burn(KEY, f"frozen {number}") for number in range(50)))

    assert set(found) == {Burnt.UNSURE}
    assert time.monotonic() - began < GENEROUS
    assert node.breaker.state is State.OPEN


async def test_an_answer_that_comes_too_late_is_not_taken_for_another(redis_keeper: RedisKeeper) -> None:
    store = redis_keeper.store(timeout=0.25)
    assert await store.add(b"known")
    redis_keeper.carrier.freeze()
    with pytest.raises(ConnectionError):
        await store.add(b"known")  # "no", if it is ever told

    redis_keeper.carrier.thaw()

    assert [await store.add(b"new %d" % number) for number in range(10)] == [True] * 10
    await store.close()


async def test_an_answer_to_somebody_who_has_gone_is_not_taken_for_another(redis_keeper: RedisKeeper) -> None:
    store = redis_keeper.store()
    assert await store.add(b"known")
    redis_keeper.carrier.freeze()
    asked = [asyncio.create_task(store.add(digest)) for digest in (b"known", b"new 1", b"known", b"new 2")]
    await asyncio.sleep(0)
    asked[0].cancel()
    asked[1].cancel()

    redis_keeper.carrier.thaw()

    assert await asyncio.gather(*asked[2:]) == [False, True]
    await store.close()


async def test_those_who_come_together_are_each_told_their_own(redis_keeper: RedisKeeper) -> None:
    store = redis_keeper.store()
    await asyncio.gather(*(store.add(b"even %d" % number) for number in range(0, 500, 2)))

    found = await asyncio.gather(*(store.add(b"even %d" % number) for number in range(500)))

    assert found == [number % 2 == 1 for number in range(500)]
    await store.close()


async def test_an_error_of_redis_is_no_answer(redis_keeper: RedisKeeper) -> None:
    store = redis_keeper.store()
    async with redis_keeper.carrier.client() as redis:
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.config_set("maxmemory", 1)
        found = await asyncio.gather(*(store.add(b"%d" % number) for number in range(3)), return_exceptions=True)
        await redis.config_set("maxmemory", 0)

    assert {type(error) for error in found} == {ConnectionError}
    assert [await store.add(b"%d" % number) for number in range(3)] == [True] * 3
    await store.close()


async def test_only_so_many_wait_for_redis(redis_keeper: RedisKeeper) -> None:
    store = redis_keeper.store()
    await store.add(b"connected")
    redis_keeper.carrier.freeze()
    waiting = [asyncio.create_task(store.add(b"%d" % number)) for number in range(MOST_WAITING)]
    await asyncio.sleep(0)

    with pytest.raises(ConnectionError, match="Too many"):
        await store.add(b"one more")

    redis_keeper.carrier.thaw()
    assert await asyncio.gather(*waiting) == [True] * MOST_WAITING
    await store.close()


async def test_a_store_that_is_closed_leaves_nobody_waiting(redis_keeper: RedisKeeper) -> None:
    store = redis_keeper.store(timeout=0.25)
    redis_keeper.carrier.freeze()
    waiting = asyncio.create_task(store.add(b"known"))
    await asyncio.sleep(0)

    await store.close()

    with pytest.raises(ConnectionError):
        await waiting


async def test_a_redis_that_is_killed_in_the_middle_of_a_call_is_away(
    redis_keeper: RedisKeeper, node_on: NodeOn
) -> None:
    node = node_on(redis_keeper.store())
    await node.burn(KEY, "connected")
    redis_keeper.carrier.freeze()
    burning = asyncio.create_task(node.burn(KEY, NONCE))
    await asyncio.sleep(0)

    await redis_keeper.go_down()

    assert await burning is Burnt.UNSURE
    await redis_keeper.come_back()
    assert await node.burn(KEY, NONCE) is Burnt.USED
    assert await node.burn(KEY, "another") is Burnt.FRESH


async def test_a_burnt_nonce_is_one_command(redis_keeper: RedisKeeper, node_on: NodeOn) -> None:
    node = node_on(redis_keeper.store())
    await node.burn(KEY, "connected")
    async with redis_keeper.carrier.client() as redis:
        await redis.config_resetstat()
        await node.burn(KEY, NONCE)
        commands = await redis.info("commandstats")

    assert {name: told["calls"] for name, told in commands.items() if name != "cmdstat_config"} == {"cmdstat_set": 1}


async def test_redis_keeps_a_nonce_ten_minutes_and_cannot_tell_whose_it_is(
    redis_keeper: RedisKeeper, node_on: NodeOn
) -> None:
    node = node_on(redis_keeper.store())
    await node.burn(KEY, NONCE)

    async with redis_keeper.carrier.client() as redis:
        (kept,) = await redis.keys()
        assert KEPT - 60 < await redis.ttl(kept) <= KEPT
        assert await redis.get(kept) == b""
    assert KEY.encode() not in kept
    assert NONCE.encode() not in kept


async def test_a_redis_that_does_not_answer_is_asked_again_by_one_probe(
    redis_keeper: RedisKeeper, node_on: NodeOn
) -> None:
    node = node_on(redis_keeper.store())
    await redis_keeper.go_down()
    for number in range(POLICY.fewest):
        await node.burn(KEY, f"away {number}")
    await redis_keeper.come_back()
    node.clock.now += POLICY.open_most

    found = await asyncio.gather(*(node.burn(KEY, f"back {number}") for number in range(20)))

    assert (found.count(Burnt.FRESH), found.count(Burnt.UNSURE)) == (1, 19)
    assert await node.burn(KEY, NONCE) is Burnt.FRESH
