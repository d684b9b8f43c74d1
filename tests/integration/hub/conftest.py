"""Each carrier of notices, and versions of a job to publish."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from in_process.caching import any_job
from in_process.carriers import Carrier, LocalCarrier, RedisCarrier
from polling_api.domain.job import Job, new_job_id

BEGAN = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.fixture
def redis_carrier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCarrier]:
    carrier = RedisCarrier(tmp_path_factory.mktemp("redis"))
    yield carrier
    carrier.stop()


@pytest.fixture(params=["redis", "local"])
def carrier(request: pytest.FixtureRequest) -> Carrier:
    """Each in turn: what is true of one is true of the other."""
    return request.getfixturevalue("redis_carrier") if request.param == "redis" else LocalCarrier()


@pytest.fixture
def version() -> Callable[[int], Job]:
    """Any version of one job."""
    job_id = new_job_id()

    def numbered(number: int) -> Job:
        return any_job(number, job_id=job_id)

    return numbered
