"""A service of its own with short times and small caps, a worker and nobody who looks after jobs."""

from collections.abc import AsyncIterator
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest

from polling_api.embedded import Server
from running.databases import cloned
from running.jobs import SET, Job, batch
from running.service import Service, running_service
from running.visitors import visitor

DATABASE = "abuse"
KIB = 1024

HEAD_SECONDS, BODY_SECONDS, STALLED_SECONDS = 3, 5, 2
HELD = 20
UPLOAD, UPLOADS = 100 * KIB, 250 * KIB
SETTINGS: Final = MappingProxyType(
    {
        "head_seconds": str(HEAD_SECONDS),
        "body_seconds": str(BODY_SECONDS),
        "stalled_seconds": str(STALLED_SECONDS),
        "limit_held_process": str(HELD),
        "limit_upload_party": str(UPLOAD),
        "limit_upload_process": str(UPLOADS),
        "limit_anonymous_jobs": "1000",
        "trusted_proxies": "127.0.0.1/32",
        "log_level": "info",
    }
)


@pytest.fixture(scope="session")
async def beset_database_url(postgres: Server, template: str) -> str:
    return await cloned(postgres, template, DATABASE)


@pytest.fixture(scope="session")
async def beset(
    beset_database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("beset")
    async with running_service(
        beset_database_url, redis_url, folder=folder, monitor=False, settings=SETTINGS
    ) as running:
        yield running


@pytest.fixture(scope="session")
def port(beset: Service) -> int:
    """The worker's."""
    return urlsplit(beset.url).port or 0


@pytest.fixture
async def somebody(beset: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Asks from an address of its own."""
    async with visitor(beset.url) as asking:
        yield asking


@pytest.fixture
async def job(somebody: httpx.AsyncClient) -> Job:
    """A public job, which stays queued."""
    return (await somebody.post(SET, json=batch())).json()
