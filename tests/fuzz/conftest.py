"""A service for those who ask it at random: two workers, a monitor that looks ten times a second."""

from collections.abc import AsyncIterator

import pytest

from running.service import Service, running_service

# As often as the simulator changes: a job lives for a second or two.
SETTINGS = {"monitor_interval": "0.1", "keepalive_every": "0.5", "log_level": "info"}


@pytest.fixture(scope="module")
def further_settings() -> dict[str, str]:
    """What a module sets beyond that."""
    return {}


@pytest.fixture(scope="module")
async def service(
    postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory, further_settings: dict[str, str]
) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    async with running_service(
        postgres_url, redis_url, folder=folder, workers=2, settings=SETTINGS | further_settings
    ) as running:
        yield running
