"""What those who die or freeze in these tests are asked by: a client with a key, and anybody.

A module has its own `service`, and its own `postgres` and `database_url` where that server is not everybody's.
"""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from in_process.carriers import RedisCarrier
from running.asking import asking
from running.jobs import Job, ended_job
from running.recorded import Recorded
from running.service import Service
from running.signing import Credentials, new_client, signing_client


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCarrier]:
    """Of the module's own, to be killed and frozen."""
    carrier = RedisCarrier(tmp_path_factory.mktemp("redis"))
    yield carrier
    carrier.stop()


@pytest.fixture(scope="module")
def database_url(postgres_url: str) -> str:
    """Of the database that the module's service works on."""
    return postgres_url


@pytest.fixture(scope="module")
def recorded(database_url: str) -> Recorded:
    return Recorded(database_url)


@pytest.fixture(scope="module")
async def owner(database_url: str) -> Credentials:
    return await new_client(database_url)


@pytest.fixture(scope="module")
async def signer(service: Service, owner: Credentials) -> AsyncIterator[httpx.AsyncClient]:
    async with signing_client(service.url, owner) as client:
        yield client


@pytest.fixture(scope="module")
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(service.url, patience=30) as client:
        yield client


@pytest.fixture(scope="module")
async def finished(signer: httpx.AsyncClient) -> Job:
    """A finished job of the owner's."""
    return await ended_job(signer)


@pytest.fixture(scope="module")
async def public(client: httpx.AsyncClient) -> Job:
    """A finished job of nobody's."""
    return await ended_job(client)
