"""Whatever dies in the middle, nobody is told that something is recorded which is not."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.audit import AuditLog
from polling_api.domain.audit import Entry
from polling_api.embedded import Server
from polling_api.errors import Unavailable
from polling_api.store import audit
from polling_api.store.engine import connect, statements
from running.cluster import Cluster
from running.freezing import frozen

PROGRAM = Path(__file__).with_name("audit_process.py")
RECORDS, READERS = 1000, 50


@pytest.fixture(scope="module")
def fragile(cluster: Cluster, servers_folder: Path) -> Iterator[Server]:
    """A server of our own that keeps what it has committed, whatever happens to it: others do not, for speed."""
    server = cluster.server(servers_folder / "audit-log", durable=True)
    yield server
    server.stop()


@pytest.fixture
async def pool(fragile: Server) -> AsyncIterator[AsyncEngine]:
    engine = connect(
        fragile.url,
        pool_size=4,
        max_overflow=4,
        pool_timeout=5,
        statement_timeout=5,
        application_name="audit",
    )
    async with statements(engine) as connection:
        await connection.execute(text("TRUNCATE audit"))
    yield engine
    await engine.dispose()


class Readers:
    """Many who record one thing after another, a thousand and more; whoever is refused waits until it is over.

    They go on until they are told that it is, so that there is always somebody for the trouble to meet.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.answered: set[str] = set()
        self.refused: set[str] = set()
        self._log = AuditLog(partial(audit.add, engine), within=0.5)
        self._numbers = count()
        self._told = asyncio.Condition()
        self._over = asyncio.Event()
        self._reading = [asyncio.create_task(self._read()) for _ in range(READERS)]

    async def finish(self) -> None:
        """Tell them that the trouble is over, and come back when all has been recorded or refused."""
        self._over.set()
        await asyncio.gather(*self._reading)

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(30), self._told:
            await self._told.wait_for(reached)

    async def _read(self) -> None:
        for number in self._numbers:
            if number >= RECORDS and self._over.is_set():
                return
            entry = Entry(client_id=None, actor="anonymous", action="results.read", request_id=str(number))
            try:
                await self._log.record(entry)
            except Unavailable:
                self.refused.add(str(number))
                await self._tell()
                await self._over.wait()
            else:
                self.answered.add(str(number))
                await self._tell()

    async def _tell(self) -> None:
        async with self._told:
            self._told.notify_all()


async def kept(engine: AsyncEngine) -> set[str]:
    async with statements(engine) as connection:
        return set((await connection.execute(text("SELECT request_id FROM audit"))).scalars())


def kill(server: Server) -> None:
    """As a power cut would: the first process, and each that works for it."""
    first = psutil.Process(server.pid)
    processes = [first, *first.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGKILL)
    psutil.wait_procs(processes, timeout=10)


async def restarted(server: Server) -> None:
    async with asyncio.timeout(20):
        while server.alive:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)
    await asyncio.to_thread(server.restart)


async def test_a_frozen_postgres_in_the_middle_of_a_thousand_costs_no_row(fragile: Server, pool: AsyncEngine) -> None:
    readers = Readers(pool)
    await readers.until(lambda: len(readers.answered) >= 300)

    with frozen(fragile):
        await readers.until(lambda: len(readers.refused) == READERS)
    await readers.finish()

    assert len(readers.answered) + len(readers.refused) >= RECORDS
    assert readers.answered - await kept(pool) == set()


async def at_once(server: Server, _readers: Readers) -> None:
    await asyncio.to_thread(kill, server)


async def while_it_is_frozen(server: Server, readers: Readers) -> None:
    """So that what is being written is lost with it."""
    with frozen(server):
        await readers.until(lambda: len(readers.refused) == READERS)
        await asyncio.to_thread(kill, server)


@pytest.mark.parametrize("killed", [at_once, while_it_is_frozen])
async def test_a_postgres_killed_in_the_middle_of_a_thousand_costs_no_row(
    fragile: Server, pool: AsyncEngine, killed: Callable[[Server, Readers], Awaitable[None]]
) -> None:
    readers = Readers(pool)
    await readers.until(lambda: len(readers.answered) >= 300)

    await killed(fragile, readers)
    await readers.until(lambda: len(readers.refused) == READERS)
    await restarted(fragile)
    await readers.finish()

    assert len(readers.answered) + len(readers.refused) >= RECORDS
    assert readers.answered - await kept(pool) == set()


@pytest.mark.parametrize("nth", [1, 2, 7])
async def test_a_process_killed_between_a_commit_and_its_answers_has_told_of_no_row_that_is_not_there(
    fragile: Server, pool: AsyncEngine, nth: int
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), fragile.url, str(nth), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await asyncio.wait_for(process.communicate(), timeout=30)

    answered, rows = set(told.decode().split()), await kept(pool)
    assert process.returncode == -signal.SIGKILL
    assert answered <= rows
    assert rows - answered  # those of the last commit, of which nobody heard
