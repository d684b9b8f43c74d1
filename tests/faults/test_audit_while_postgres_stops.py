"""Postgres stops in the middle of a thousand reads of results."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest

from polling_api.embedded import Server
from running.cluster import Cluster
from running.forging import Wire, port_of, signed
from running.freezing import frozen
from running.jobs import Job
from running.raw import RawConnection, raw_connection
from running.recorded import Recorded
from running.service import Service, running_service
from running.signing import Credentials
from running.tokens import bearing, simple, token_for

READS, READERS = 1_000, 20
AWAY = 2.0  # seconds
ANSWERED_WITHIN = 40.0  # seconds: a statement's own limit twice, on a busy machine
CERTAIN_WITHIN = 20.0  # seconds


@pytest.fixture(scope="module")
def postgres(cluster: Cluster, servers_folder: Path) -> Iterator[Server]:
    """A server of this module's own, which keeps what it has committed."""
    server = cluster.server(servers_folder / "audited", durable=True)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def database_url(postgres: Server) -> str:
    return postgres.url


@pytest.fixture(scope="module")
async def service(postgres: Server, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("audited")
    async with running_service(postgres.url, redis_url, folder=folder) as running:
        yield running


def processes_of(server: Server) -> list[psutil.Process]:
    postmaster = psutil.Process(server.pid)
    return [postmaster, *postmaster.children(recursive=True)]


async def be_frozen(server: Server) -> None:
    """Answer nothing for a while, with every connection left open."""
    with frozen(server):
        await asyncio.sleep(AWAY)


async def be_killed(server: Server) -> None:
    """Be gone at once, and after a while there again."""
    for process in processes_of(server):
        with suppress(psutil.NoSuchProcess):  # some of Postgres's end by themselves
            process.kill()
    await asyncio.sleep(AWAY)
    while server.alive:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.02)
    await asyncio.to_thread(server.restart)


class Reader:
    """Reads results again and again, as three callers in turn, and keeps which reads were answered, and how.

    Args:
        connection: to the worker.
        wires: makes the next request for a correlation id.
        answered: released at each answer.
    """

    def __init__(
        self, connection: RawConnection, wires: Sequence[Callable[[str], Wire]], answered: asyncio.Semaphore
    ) -> None:
        self._connection = connection
        self._wires = cycle(wires)
        self._answered = answered
        self.statuses: dict[str, int] = {}

    async def read(self, times: int) -> dict[str, int]:
        """The status of each answer, by its correlation id."""
        for _ in range(times):
            correlation_id = uuid4().hex
            await self._connection.send(next(self._wires)(correlation_id).encoded())
            self.statuses[correlation_id] = (await self._connection.answer(within=ANSWERED_WITHIN)).status
            self._answered.release()
        return self.statuses


@pytest.fixture
async def certain(signer: httpx.AsyncClient) -> None:
    """The service knows which keys are good, after what the test before may have done to it."""
    async with asyncio.timeout(CERTAIN_WITHIN):
        while (await signer.get("/api/v1/keys")).status_code != 200:  # noqa: ASYNC110 - outside
            await asyncio.sleep(0.1)


@pytest.mark.usefixtures("certain")
@pytest.mark.parametrize("trouble", [be_frozen, be_killed])
async def test_of_a_thousand_reads_none_is_answered_without_its_row_while_postgres_stops(
    service: Service,
    postgres: Server,
    owner: Credentials,
    signer: httpx.AsyncClient,
    recorded: Recorded,
    finished: Job,
    public: Job,
    trouble: Callable[[Server], Awaitable[None]],
) -> None:
    token = bearing(await token_for(signer, finished))
    host = ("Host", service.url.removeprefix("http://"))

    def by_signature(correlation_id: str) -> Wire:
        wire = signed(owner, service.url, finished["links"]["results"])
        return wire.adding(("X-Correlation-ID", correlation_id))

    def by_token(correlation_id: str) -> Wire:
        fields = (host, *token.items(), ("X-Correlation-ID", correlation_id))
        return Wire("GET", simple(finished)["links"]["results"], fields)

    def by_anybody(correlation_id: str) -> Wire:
        return Wire("GET", public["links"]["results"], (host, ("X-Correlation-ID", correlation_id)))

    answered = asyncio.Semaphore(0)

    async def read_some() -> dict[str, int]:
        async with raw_connection(port_of(service.url)) as connection:
            return await Reader(connection, [by_signature, by_token, by_anybody], answered).read(READS // READERS)

    reading = [asyncio.create_task(read_some()) for _ in range(READERS)]
    async with asyncio.timeout(ANSWERED_WITHIN):
        for _ in range(READS // 3):
            await answered.acquire()
    await trouble(postgres)
    told = {one: status for statuses in await asyncio.gather(*reading) for one, status in statuses.items()}

    rows = await recorded.correlations()
    assert len(told) == READS
    assert set(told.values()) <= {200, 503}
    assert sum(status == 200 for status in told.values()) >= READS // 3
    assert [one for one, status in told.items() if status == 200 and one not in rows] == []
