"""A Redis of the module's own, which can be frozen and emptied."""

from collections.abc import Iterator

import pytest

from in_process.carriers import RedisCarrier


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCarrier]:
    carrier = RedisCarrier(tmp_path_factory.mktemp("redis"))
    yield carrier
    carrier.stop()
