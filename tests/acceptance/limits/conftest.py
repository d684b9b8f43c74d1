"""A service of its own with small limits, two workers, and this machine as its trusted proxy."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

import httpx
import pytest

from polling_api.embedded import Server, start_redis
from running.databases import cloned
from running.jobs import Job, quiet_job
from running.service import Service, running_service
from running.signing import Credentials, new_client
from running.visitors import visitor

DATABASE = "limits"

HOUR, CLIENT_HOUR, TOKEN_HOUR, MINUTE, BURST = 30, 60, 25, 12, 5
HELD, CLIENT_HELD, TOKEN_HELD, UNFINISHED = 3, 4, 2, 3
WRONGS, BLOCKED_FOR = 6, 2
SETTINGS: Final = MappingProxyType(
    {
        "limit_ip_hour": str(HOUR),
        "limit_client_hour": str(CLIENT_HOUR),
        "limit_token_hour": str(TOKEN_HOUR),
        "limit_job_minute": str(MINUTE),
        "limit_burst": str(BURST),
        "limit_held_ip": str(HELD),
        "limit_held_client": str(CLIENT_HELD),
        "limit_held_token": str(TOKEN_HELD),
        "limit_anonymous_jobs": str(UNFINISHED),
        "block_after": str(WRONGS),
        "block_seconds": str(BLOCKED_FOR),
        "trusted_proxies": "127.0.0.1/32",
    }
)


@pytest.fixture(scope="session")
async def limited_database_url(postgres: Server, template: str) -> str:
    return await cloned(postgres, template, DATABASE)


@pytest.fixture(scope="session")
def limited_redis(servers_folder: Path) -> Iterator[Server]:
    """Not the one that all tests share: what is counted there is of one service."""
    server = start_redis(servers_folder / "limits-redis")
    yield server
    server.stop()


@pytest.fixture(scope="session")
async def limited(
    limited_database_url: str, limited_redis: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("limited")
    async with running_service(
        limited_database_url, limited_redis.url, folder=folder, workers=2, settings=SETTINGS
    ) as running:
        yield running


@pytest.fixture(scope="session")
def here(limited: Service) -> str:
    """The address of the first worker."""
    return limited.worker_urls[0]


@pytest.fixture(scope="session")
def there(limited: Service) -> str:
    """The address of the second worker: another process."""
    return limited.worker_urls[1]


@pytest.fixture
async def somebody(here: str) -> AsyncIterator[httpx.AsyncClient]:
    """Asks the first worker from an address that has asked for nothing yet."""
    async with visitor(here) as asking:
        yield asking


@pytest.fixture(scope="session")
async def job(here: str) -> Job:
    """A public job that does not change."""
    async with visitor(here) as submitter:
        return (await quiet_job(submitter)).json()


@pytest.fixture
async def credentials(limited_database_url: str) -> Credentials:
    """A new client's."""
    return await new_client(limited_database_url)


@pytest.fixture
async def signer(here: str, credentials: Credentials) -> AsyncIterator[httpx.AsyncClient]:
    """That client, who asks the first worker."""
    async with visitor(here, signs=credentials) as asking:
        yield asking
