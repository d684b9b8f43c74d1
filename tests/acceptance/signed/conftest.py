"""Two clients with keys: the owner, whose jobs they are, and a stranger; each at each worker."""

from collections.abc import AsyncIterator

import httpx
import pytest

from running.jobs import Job, ended_job, quiet_job
from running.service import Service
from running.signing import Credentials, new_client, signing_client

Pair = tuple[httpx.AsyncClient, httpx.AsyncClient]


@pytest.fixture(scope="session")
async def owner(database_url: str) -> Credentials:
    return await new_client(database_url, "owner")


@pytest.fixture(scope="session")
async def stranger(database_url: str) -> Credentials:
    return await new_client(database_url, "stranger")


@pytest.fixture(scope="session")
def here(service: Service) -> str:
    """The address of the first worker."""
    return service.worker_urls[0]


@pytest.fixture(scope="session")
def there(service: Service) -> str:
    """The address of the second worker: another node."""
    return service.worker_urls[1]


@pytest.fixture(scope="session")
async def signer(here: str, owner: Credentials) -> AsyncIterator[httpx.AsyncClient]:
    """The owner, who asks the first worker."""
    async with signing_client(here, owner) as asking:
        yield asking


@pytest.fixture(scope="session")
async def other_signer(there: str, owner: Credentials) -> AsyncIterator[httpx.AsyncClient]:
    """The owner, who asks the second worker."""
    async with signing_client(there, owner) as asking:
        yield asking


@pytest.fixture(scope="session")
async def foreign_signer(here: str, stranger: Credentials) -> AsyncIterator[httpx.AsyncClient]:
    """The stranger, who asks the first worker."""
    async with signing_client(here, stranger) as asking:
        yield asking


@pytest.fixture(scope="module")
async def owned_active(signer: httpx.AsyncClient) -> httpx.Response:
    """The `200` that shows a job of the owner's, in progress, which does not change."""
    return await quiet_job(signer)


@pytest.fixture(scope="module")
def owned(owned_active: httpx.Response) -> Job:
    """That job."""
    return owned_active.json()


@pytest.fixture(scope="module")
async def owned_ended(signer: httpx.AsyncClient) -> Job:
    """A job of the owner's that has succeeded."""
    return await ended_job(signer)


@pytest.fixture(params=["simple", "signed"])
def callers(
    request: pytest.FixtureRequest,
    client: httpx.AsyncClient,
    other_client: httpx.AsyncClient,
    signer: httpx.AsyncClient,
    other_signer: httpx.AsyncClient,
) -> Pair:
    """Who calls one of the sets, at each of two nodes."""
    return (client, other_client) if request.param == "simple" else (signer, other_signer)


@pytest.fixture
def asking(callers: Pair) -> httpx.AsyncClient:
    return callers[0]


@pytest.fixture
def elsewhere(callers: Pair) -> httpx.AsyncClient:
    """The same caller at another node."""
    return callers[1]
