"""One kind of work that hangs, or a database that opens no more connections: the rest goes on."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import httpx
import pytest

from polling_api.embedded import Server, start_postgres
from polling_api.store import migrate
from running.asking import asking
from running.jobs import batch, read, submit
from running.service import Service, running_service

ROOM = 24  # connections that the server opens in all
MISSING = "/api/v1/jobs/job_{:032x}"
BOUNDED = 8.0  # seconds: the limits on a connection and a statement, and room on a busy machine
SOON = 2.0  # seconds: nothing that hangs was waited for

connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@pytest.fixture(scope="module")
def server(servers_folder: Path) -> Iterator[Server]:
    started = start_postgres(servers_folder / "scarce", durable=False, max_connections=ROOM)
    migrate.upgrade(started.url)
    yield started
    started.stop()


@pytest.fixture(scope="module")
async def service(server: Server, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("scarce")
    settings = {"pool_size": "8", "pool_overflow": "8"}
    async with running_service(server.url, redis_url, folder=folder, monitor=False, settings=settings) as running:
        yield running


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(service.url, patience=30) as asked:
        yield asked


@asynccontextmanager
async def submits_blocked(server: Server) -> AsyncGenerator[None]:
    """Somebody holds a lock that every submit waits for, and no read."""
    connection = await connect(server.url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE requests IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def none_left(server: Server) -> AsyncGenerator[None]:
    """Somebody has opened all connections that were left."""
    async with AsyncExitStack() as stack:
        for _ in range(ROOM):
            try:
                connection = await connect(server.url)
            except asyncpg.TooManyConnectionsError:
                break
            stack.push_async_callback(connection.close)
        yield


async def timed(*requests: Any) -> tuple[float, list[httpx.Response]]:
    began = monotonic()
    answers = await asyncio.gather(*requests)
    return monotonic() - began, answers


async def test_submits_that_hang_are_refused_in_time_and_keep_no_read_waiting(
    client: httpx.AsyncClient, server: Server
) -> None:
    async with submits_blocked(server):
        (refused_within, refused), (read_within, missing) = await asyncio.gather(
            timed(*(client.post("/api/v1/jobs", json=batch()) for _ in range(20))),
            timed(*(client.get(MISSING.format(number)) for number in range(20))),
        )

    assert {answer.status_code for answer in missing} == {404}
    assert read_within < SOON
    assert {answer.status_code for answer in refused} == {503}
    assert refused_within < BOUNDED


async def test_where_no_connection_can_be_opened_what_has_one_goes_on_and_nothing_hangs(
    client: httpx.AsyncClient, server: Server
) -> None:
    job = await submit(client)
    await read(client, job)

    async with none_left(server):
        within, submitted = await timed(*(client.post("/api/v1/jobs", json=batch()) for _ in range(20)))
        known = await read(client, job)
        live = await client.get("/health/live")
    async with asyncio.timeout(15):
        while (await client.post("/api/v1/jobs", json=batch())).status_code != 202:  # noqa: ASYNC110 - a circuit may be open
            await asyncio.sleep(0.2)

    assert {answer.status_code for answer in submitted} <= {202, 503}
    assert within < BOUNDED
    assert (known.status_code, live.status_code) == (200, 200)
