"""Jobs to be moved, carriers of notices, and a primary that is not there."""

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.carriers import Carrier, LocalCarrier, RedisCarrier
from in_process.moving import Mover
from polling_api.store.engine import connect


@pytest.fixture(scope="module")
def redis_carrier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCarrier]:
    carrier = RedisCarrier(tmp_path_factory.mktemp("redis"))
    yield carrier
    carrier.stop()


@pytest.fixture(params=["redis", "local"])
def carrier(request: pytest.FixtureRequest) -> Carrier:
    """Each in turn: what is true over one is true over the other."""
    return request.getfixturevalue("redis_carrier") if request.param == "redis" else LocalCarrier()


@pytest.fixture
def mover(engine: AsyncEngine) -> Mover:
    return Mover(engine)


@pytest.fixture
async def nowhere() -> AsyncIterator[AsyncEngine]:
    """A primary that is not there."""
    engine = connect(
        "postgresql://127.0.0.1:1/none",
        pool_size=1,
        max_overflow=0,
        pool_timeout=1,
        statement_timeout=1,
        application_name="tests",
    )
    yield engine
    await engine.dispose()
