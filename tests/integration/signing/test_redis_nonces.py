"""What only a real Redis can do: freeze, and be looked into."""

import asyncio
import time
from collections.abc import Callable

import pytest

from in_process.nonces import POLICY, Node, RedisKeeper
from polling_api.resilience.breaker import State
from polling_api.signing.nonces import KEPT, Burnt, NonceStore
from polling_api.signing.nonces.redis import TIMEOUT

NodeOn = Callable[[NonceStore], Node]
KEY, NONCE = "key_1", "n" * 32
GENEROUS = 5.0  # seconds, where 20 ms are the rule: without one a frozen Redis would hold a call for good


async def test_a_frozen_redis_holds_nobody_and_its_late_answers_are_nobody_elses(
    redis_keeper: RedisKeeper, node_on: NodeOn
) -> None:
    node = node_on(redis_keeper.store(timeout=TIMEOUT))
    await asyncio.gather(*(node.burn(KEY, f"before {number}") for number in range(8)))
    redis_keeper.carrier.freeze()
    began = time.monotonic()

    found = await asyncio.gather(*(node.burn(KEY, f"frozen {number}") for number in range(50)))

    assert set(found) == {Burnt.UNSURE}
    assert time.monotonic() - began < GENEROUS
    assert node.breaker.state is State.OPEN

    redis_keeper.carrier.thaw()
    patient = node_on(redis_keeper.store())
    assert [await patient.burn(KEY, f"after {number}") for number in range(20)] == [Burnt.FRESH] * 20
    assert [await patient.burn(KEY, f"before {number}") for number in range(8)] == [Burnt.USED] * 8


async def test_a_connection_on_which_an_answer_came_too_late_is_not_used_again(redis_keeper: RedisKeeper) -> None:
    store = redis_keeper.store(timeout=0.25, connections=1)
    assert await store.add(b"known")
    redis_keeper.carrier.freeze()
    with pytest.raises(ConnectionError):
        await store.add(b"known")  # "no", if it is ever told

    redis_keeper.carrier.thaw()

    assert [await store.add(b"new %d" % number) for number in range(10)] == [True] * 10
    await store.close()


async def test_with_all_connections_taken_nobody_waits_longer_than_a_call_may(redis_keeper: RedisKeeper) -> None:
    store = redis_keeper.store(timeout=TIMEOUT, connections=1)
    redis_keeper.carrier.freeze()
    began = time.monotonic()

    found = await asyncio.gather(*(store.add(b"%d" % number) for number in range(20)), return_exceptions=True)

    assert {type(error) for error in found} == {ConnectionError}
    assert time.monotonic() - began < GENEROUS
    await store.close()


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
    node = node_on(redis_keeper.store(connections=1))
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
