"""Each keeper of nonces, and nodes that share it; and keyrings, each with a primary of its own to ask."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.key_sources import Clock, HeldKeys
from in_process.nonces import Keeper, LocalKeeper, Node, RedisKeeper
from polling_api.signing.keyring import Keyring
from polling_api.signing.nonces import NonceStore
from running.keyholders import VAULT, Made, make_client


@pytest.fixture
def redis_keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisKeeper]:
    keeper = RedisKeeper(tmp_path_factory.mktemp("redis"))
    yield keeper
    keeper.carrier.stop()


@pytest.fixture(params=["redis", "local"])
def keeper(request: pytest.FixtureRequest) -> Keeper:
    """Each in turn: what is true of one is true of the other."""
    return request.getfixturevalue("redis_keeper") if request.param == "redis" else LocalKeeper()


@pytest.fixture
async def node_on() -> AsyncIterator[Callable[[NonceStore], Node]]:
    """Nodes over a store, closed in the end."""
    nodes: list[Node] = []

    def started(store: NonceStore) -> Node:
        nodes.append(Node(store))
        return nodes[-1]

    yield started
    for node in nodes:
        await node.nonces.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(engine: AsyncEngine) -> HeldKeys:
    return HeldKeys(engine)


@pytest.fixture
def keyring(source: HeldKeys, clock: Clock) -> Keyring:
    return Keyring(source, VAULT, clock=clock)


@pytest.fixture
async def key(engine: AsyncEngine) -> Made:
    """The first key of a client; it has no end."""
    return await make_client(engine)
