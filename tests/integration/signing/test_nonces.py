"""A nonce is good once, on all nodes together, for as long as what they share can be asked."""

import asyncio
from collections.abc import Callable

from in_process.nonces import POLICY, Keeper, Node
from polling_api import metrics
from polling_api.resilience.breaker import State
from polling_api.signing.nonces import KEPT, Burnt, LocalNonceStore, NonceStore

NodeOn = Callable[[NonceStore], Node]
KEY, NONCE = "key_1", "n" * 32


async def outage(node: Node, keeper: Keeper) -> None:
    """The keeper goes, and the node finds that out."""
    await keeper.go_down()
    for number in range(POLICY.fewest):
        assert await node.burn(KEY, f"found out {number}") is Burnt.UNSURE
    assert node.breaker.state is State.OPEN


async def recovery(node: Node, keeper: Keeper) -> None:
    """The keeper comes back, and the node finds that out."""
    await keeper.come_back()
    node.clock.now += POLICY.open_most
    assert await node.burn(KEY, "found out that it is back") is Burnt.FRESH
    assert node.breaker.state is State.CLOSED


async def test_a_nonce_is_fresh_once(keeper: Keeper, node_on: NodeOn) -> None:
    node = node_on(keeper.store())

    assert await node.burn(KEY, NONCE) is Burnt.FRESH
    assert await node.burn(KEY, NONCE) is Burnt.USED
    assert await node.burn(KEY, NONCE.upper()) is Burnt.FRESH


async def test_a_nonce_that_another_node_has_seen_is_used(keeper: Keeper, node_on: NodeOn) -> None:
    one, other = node_on(keeper.store()), node_on(keeper.store())
    await one.burn(KEY, NONCE)

    assert await other.burn(KEY, NONCE) is Burnt.USED
    assert await other.burn(KEY, NONCE) is Burnt.USED


async def test_each_key_has_nonces_of_its_own(keeper: Keeper, node_on: NodeOn) -> None:
    node = node_on(keeper.store())
    await node.burn(KEY, NONCE)

    assert await node.burn("key_2", NONCE) is Burnt.FRESH


async def test_of_many_who_show_one_nonce_at_the_same_time_one_is_let_through(keeper: Keeper, node_on: NodeOn) -> None:
    nodes = [node_on(keeper.store()) for _ in range(4)]

    found = await asyncio.gather(*(node.burn(KEY, NONCE) for node in nodes for _ in range(25)))

    assert (found.count(Burnt.FRESH), found.count(Burnt.USED)) == (1, 99)


async def test_with_the_keeper_away_a_node_goes_by_what_it_has_seen(keeper: Keeper, node_on: NodeOn) -> None:
    one, other = node_on(keeper.store()), node_on(keeper.store())
    await one.burn(KEY, "seen before it went")
    await outage(one, keeper)

    assert await one.burn(KEY, "seen before it went") is Burnt.USED
    assert await one.burn(KEY, NONCE) is Burnt.UNSURE
    assert await one.burn(KEY, NONCE) is Burnt.USED
    assert await other.burn(KEY, NONCE) is Burnt.UNSURE


async def test_with_the_keeper_away_one_of_many_is_let_through(keeper: Keeper, node_on: NodeOn) -> None:
    node = node_on(keeper.store())
    await keeper.go_down()

    found = await asyncio.gather(*(node.burn(KEY, NONCE) for _ in range(100)))

    assert (found.count(Burnt.UNSURE), found.count(Burnt.USED)) == (1, 99)


async def test_a_nonce_burnt_while_the_keeper_was_away_stays_burnt_here(keeper: Keeper, node_on: NodeOn) -> None:
    node = node_on(keeper.store())
    await outage(node, keeper)
    await node.burn(KEY, NONCE)
    await recovery(node, keeper)

    assert await node.burn(KEY, NONCE) is Burnt.USED


async def test_a_nonce_that_a_keeper_has_forgotten_is_still_refused_where_it_was_seen(
    keeper: Keeper, node_on: NodeOn
) -> None:
    one, other = node_on(keeper.store()), node_on(keeper.store())
    await one.burn(KEY, NONCE)
    await keeper.forget()

    assert await one.burn(KEY, NONCE) is Burnt.USED
    assert await other.burn(KEY, NONCE) is Burnt.FRESH  # nobody is left who could tell it


async def test_an_open_circuit_asks_nobody(keeper: Keeper, node_on: NodeOn) -> None:
    node = node_on(keeper.store())
    await outage(node, keeper)
    await keeper.come_back()

    assert await node.burn(KEY, NONCE) is Burnt.UNSURE
    assert node.breaker.state is State.OPEN


async def test_what_becomes_of_nonces_is_counted(keeper: Keeper, node_on: NodeOn) -> None:
    def counted(fate: Burnt) -> float:
        return metrics.REGISTRY.get_sample_value("polling_nonces_total", {"fate": fate}) or 0.0

    node, before = node_on(keeper.store()), {fate: counted(fate) for fate in Burnt}
    await node.burn(KEY, NONCE)
    await node.burn(KEY, NONCE)
    await keeper.go_down()
    await node.burn(KEY, "another")

    assert {fate: counted(fate) - before[fate] for fate in Burnt} == dict.fromkeys(Burnt, 1.0)


async def test_a_nonce_lives_as_long_as_its_signature_and_no_longer(node_on: NodeOn) -> None:
    now = 0.0
    node = node_on(LocalNonceStore(clock=lambda: now))
    await node.burn(KEY, NONCE)

    now = node.clock.now = KEPT - 0.001
    assert await node.burn(KEY, NONCE) is Burnt.USED
    now = node.clock.now = float(KEPT)
    assert await node.burn(KEY, NONCE) is Burnt.FRESH


async def test_a_request_that_nobody_waits_for_any_more_has_burnt_its_nonce(node_on: NodeOn) -> None:
    class Hanging(LocalNonceStore):
        async def add(self, digest: bytes) -> bool:
            asked.set()
            await asyncio.Event().wait()
            return await super().add(digest)

    asked, node = asyncio.Event(), node_on(Hanging())
    waiting = asyncio.create_task(node.burn(KEY, NONCE))
    await asked.wait()
    waiting.cancel()
    await asyncio.wait([waiting])

    assert await node.burn(KEY, NONCE) is Burnt.USED
    assert node.breaker.state is State.CLOSED
