"""One service for all: two workers, a monitor that looks every 0.2 s, a simulator; clients of each worker."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import NullPool, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from polling_api.embedded import Server
from polling_api.store.engine import driver_url
from running.jobs import Job, ended_job, quiet_job, read
from running.openapi import Told, comparing
from running.planted import leaks_of
from running.service import Service, running_service
from running.stored import Store

DATABASE = "acceptance"


@pytest.fixture(scope="session")
async def database_url(postgres: Server, template: str) -> str:
    """A migrated database for the whole run: it goes with its server."""
    engine = create_async_engine(driver_url(postgres.url), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {DATABASE} TEMPLATE {template}"))
    return make_url(postgres.url).set(database=DATABASE).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
async def service(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    # Streams get a comment every half second, not every 15 s, so that a test can see one.
    settings = {"keepalive_every": "0.5"}
    async with running_service(
        database_url, redis_url, folder=folder, workers=2, settings=settings, shared_figures=True
    ) as running:
        yield running
    # Of all tests that ran: whatever they sent and were told, no secret of it is in anything that was written.
    assert leaks_of(child.log for child in running.children) == {}


@pytest.fixture(scope="session")
async def told(service: Service) -> Told:
    """What the service says of its answers."""
    async with httpx.AsyncClient(timeout=20, trust_env=False) as asking:
        return Told((await asking.get(f"{service.url}/openapi.json")).json())


@pytest.fixture(scope="session")
async def client(service: Service, told: Told) -> AsyncIterator[httpx.AsyncClient]:
    """Asks the first worker, and compares all its answers with what the service's OpenAPI document says of them."""
    hooks: dict[str, list[Any]] = {"response": [comparing(told)]}
    async with httpx.AsyncClient(
        base_url=service.worker_urls[0], timeout=20, trust_env=False, event_hooks=hooks
    ) as asking:
        yield asking


@pytest.fixture(scope="session")
async def other_client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Asks the second worker, another process over the same database."""
    async with httpx.AsyncClient(base_url=service.worker_urls[1], timeout=20, trust_env=False) as asking:
        yield asking


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
