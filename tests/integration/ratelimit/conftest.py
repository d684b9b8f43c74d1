"""A Redis of the test's own, which can be killed and frozen."""

from collections.abc import Iterator

import pytest

from in_process.carriers import RedisCarrier


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCarrier]:
    carrier = RedisCarrier(tmp_path_factory.mktemp("redis"))
    yield carrier
    carrier.stop()
