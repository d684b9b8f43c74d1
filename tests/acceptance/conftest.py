"""One service for all: two workers, a monitor that looks every 0.2 s, a simulator; clients of each worker."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from polling_api.embedded import Server
from running.asking import asking
from running.databases import cloned
from running.jobs import Job, ended_job, quiet_job, read
from running.openapi import Told, comparing
from running.service import Service, running_service
from running.stored import Store

HERE = Path(__file__).parent
DATABASE = "acceptance"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Come last: the service stays up to the end of the run, and takes time from whatever runs beside it."""
    items.sort(key=lambda item: item.path.is_relative_to(HERE))


@pytest.fixture(scope="session")
async def database_url(postgres: Server, template: str) -> str:
    """A migrated database for the whole run: it goes with its server."""
    return await cloned(postgres, template, DATABASE)


@pytest.fixture(scope="session")
async def service(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    # Streams get a comment every half second, not every 15 s, and what is over goes as soon, so that a test can see it.
    settings = {
        "keepalive_every": "0.5",
        "retention_every": "0.5",
        "anonymous_webhooks": "true",
        "webhook_schedule": "0.1,0.1",
    }
    async with running_service(
        database_url, redis_url, folder=folder, workers=2, settings=settings, shared_figures=True
    ) as running:
        yield running


@pytest.fixture(scope="session")
async def told(service: Service) -> Told:
    """What the service says of its answers."""
    async with asking(service.url) as client:
        return Told((await client.get("/openapi.json")).json())


@pytest.fixture(scope="session")
async def client(service: Service, told: Told) -> AsyncIterator[httpx.AsyncClient]:
    """Asks the first worker, and compares all its answers with what the service's OpenAPI document says of them."""
    async with asking(service.worker_urls[0], also=[comparing(told)]) as client:
        yield client


@pytest.fixture(scope="session")
async def other_client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Asks the second worker, another process over the same database."""
    async with asking(service.worker_urls[1]) as client:
        yield client


@pytest.fixture(scope="session")
def store(database_url: str) -> Store:
    """The service's database."""
    return Store(database_url)


@pytest.fixture(scope="module")
async def active(client: httpx.AsyncClient) -> httpx.Response:
    """The `200` that shows a job which is in progress and does not change."""
    return await quiet_job(client)


@pytest.fixture(scope="module")
def quiet(active: httpx.Response) -> Job:
    """That job."""
    return active.json()


@pytest.fixture(scope="module")
async def final(client: httpx.AsyncClient) -> httpx.Response:
    """The `200` that shows a job which has succeeded, in its fifth version, having had five statuses."""
    return await read(client, await ended_job(client, "in_progress 0.3s, finalizing 0.2s, succeeded"))


@pytest.fixture(scope="module")
def ended(final: httpx.Response) -> Job:
    """That job."""
    return final.json()
