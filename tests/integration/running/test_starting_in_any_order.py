"""Whatever comes up first: who needs something waits for it, for so long, and says what it is."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx
import pytest
from sqlalchemy import NullPool, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from tests.integration.running.commands import Command, until

from polling_api.embedded import Server
from polling_api.store import migrate
from polling_api.store.engine import driver_url
from running.planted import MASTER_KEY
from running.tcp_proxy import TcpProxy, tcp_proxy

Start = Callable[..., Command]

SOON = 45.0  # seconds, on a busy machine
WAITING = "waiting for Postgres"


@dataclass(frozen=True, slots=True)
class Outer:
    """Servers of an operator's, which do not listen yet, and an empty database."""

    postgres: TcpProxy
    redis: TcpProxy
    empty_postgres_url: str

    @property
    def settings(self) -> dict[str, str]:
        """Where they will be."""
        database = make_url(self.empty_postgres_url).database
        return {
            "database_url": f"postgresql://postgres@127.0.0.1:{self.postgres.port}/{database}",
            "redis_url": f"redis://127.0.0.1:{self.redis.port}",
            "master_keys": MASTER_KEY,
            "pool_size": "8",
            "pool_overflow": "16",
        }

    async def migrate(self) -> None:
        """Bring the schema up to date, as an operator does."""
        await asyncio.to_thread(migrate.upgrade, self.empty_postgres_url)

    async def empty(self) -> None:
        """Take away what an earlier test made."""
        async with self._engine().begin() as connection:
            await connection.execute(text("DROP SCHEMA public CASCADE"))
            await connection.execute(text("CREATE SCHEMA public"))

    async def works(self, name: str) -> bool:
        """Whether anybody who calls itself so has a connection."""
        asked = text("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = :name")
        async with self._engine().connect() as connection:
            return await connection.scalar(asked, {"name": name}) is not None

    def _engine(self) -> AsyncEngine:
        return create_async_engine(driver_url(self.empty_postgres_url), poolclass=NullPool)


@pytest.fixture
async def outer(postgres: Server, empty_postgres_url: str, own_redis: Server) -> AsyncIterator[Outer]:
    sockets = Path(parse_qs(urlsplit(postgres.url).query)["host"][0])
    async with AsyncExitStack() as stack:
        to_postgres = await stack.enter_async_context(tcp_proxy(path=sockets / ".s.PGSQL.5432"))
        to_redis = await stack.enter_async_context(tcp_proxy(path=Path(urlsplit(own_redis.url).path)))
        to_postgres.refuse()
        to_redis.refuse()
        servers = Outer(to_postgres, to_redis, empty_postgres_url)
        await servers.empty()
        yield servers


async def says(command: Command, what: str) -> bool:
    """Whether it comes to say so."""
    return await asyncio.to_thread(until, lambda: what in command.told(), SOON)


async def readiness(command: Command) -> httpx.Response:
    async with httpx.AsyncClient(base_url=command.url, timeout=5, trust_env=False) as client:
        return await client.get("/health/ready")


async def eventually(condition: Callable[[], Awaitable[bool]]) -> bool:
    """Whether it comes to hold."""
    async with asyncio.timeout(SOON):
        while not await condition():  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.1)
    return True


async def becomes(command: Command, status: str) -> bool:
    """Whether it comes to say of itself that it is so."""

    async def has_become() -> bool:
        try:
            return (await readiness(command)).json()["status"] == status
        except httpx.TransportError:
            return False

    return await eventually(has_become)


async def test_serve_waits_for_postgres_migrates_it_and_does_not_wait_for_redis(start: Start, outer: Outer) -> None:
    serve = start("serve", "--no-monitor", **outer.settings)

    waited = await says(serve, WAITING)
    await outer.postgres.listen()
    without_redis = await becomes(serve, "degraded")
    told = await says(serve, "hub lost")
    await outer.redis.listen()

    assert waited
    assert without_redis
    assert told
    assert await becomes(serve, "ready")
    assert "Traceback" not in serve.told()


async def test_a_monitor_waits_for_postgres_and_for_its_schema(start: Start, outer: Outer) -> None:
    monitor = start("monitor", **outer.settings)

    without_postgres = await says(monitor, WAITING)
    await outer.postgres.listen()
    without_schema = await says(monitor, "polling-api migrate")
    worked_before = await outer.works("polling-api monitor jobs")
    await outer.migrate()

    assert without_postgres
    assert without_schema
    assert not worked_before
    assert await eventually(partial(outer.works, "polling-api monitor jobs"))
    assert "Traceback" not in monitor.told()


async def test_a_worker_is_alive_and_not_ready_until_postgres_and_its_schema_are_there(
    start: Start, outer: Outer
) -> None:
    worker = start("worker", **outer.settings)

    without_postgres = await becomes(worker, "unavailable")
    await outer.postgres.listen()
    await outer.redis.listen()
    without_schema = await says(worker, "does not exist") and await becomes(worker, "unavailable")
    await outer.migrate()

    assert without_postgres
    assert without_schema
    assert await becomes(worker, "ready")


@pytest.mark.parametrize("command", ["serve", "monitor"])
async def test_nobody_waits_for_longer_than_was_set(start: Start, outer: Outer, command: str) -> None:
    failed = start(command, **outer.settings, start_within="1")

    status = await asyncio.to_thread(failed.ended)

    assert status == 1
    assert "POLLING_START_WITHIN" in failed.told()
    assert "Traceback" not in failed.told()


async def test_who_waits_ends_when_told_to(start: Start, outer: Outer) -> None:
    waiting = start("monitor", **outer.settings)
    waited = await says(waiting, WAITING)

    status = await asyncio.to_thread(waiting.end, signal.SIGTERM)

    assert waited
    assert status in {0, -signal.SIGTERM}
    assert "Traceback" not in waiting.told()


async def test_a_postgres_that_refuses_for_good_is_not_waited_for(start: Start, outer: Outer) -> None:
    await outer.postgres.listen()
    address = urlsplit(outer.settings["database_url"])
    nowhere = urlunsplit(address._replace(path="/no_such_database"))

    failed = start("serve", **{**outer.settings, "database_url": nowhere})
    status = await asyncio.to_thread(failed.ended)

    assert status == 1
    assert re.search("does not exist", failed.told())
    assert WAITING not in failed.told()
