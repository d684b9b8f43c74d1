"""One worker that nobody but the test moves jobs for."""

from collections.abc import AsyncIterator, Iterator

import pytest

from in_process.carriers import RedisCarrier
from polling_api.server import raise_descriptor_limit
from running.service import Service, running_service


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCarrier]:
    """Of the module's own: its commands are counted."""
    carrier = RedisCarrier(tmp_path_factory.mktemp("redis"))
    yield carrier
    carrier.stop()


@pytest.fixture(scope="module")
async def unmonitored(
    postgres_url: str, redis: RedisCarrier, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """A worker, with what it logs in production."""
    raise_descriptor_limit()  # ours too: a crowd has a socket each
    folder = tmp_path_factory.mktemp("service")
    async with running_service(
        postgres_url, redis.server.url, folder=folder, monitor=False, settings={"log_level": "info"}
    ) as service:
        yield service
