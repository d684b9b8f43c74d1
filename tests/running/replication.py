"""Streaming replicas of a Postgres of tests: they begin with what it began with, and follow it from there."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import psutil
from sqlalchemy import make_url

from polling_api.embedded import Server, start_postgres
from running.cluster import Cluster
from running.tcp_proxy import TcpProxy

SEEN_WITHIN = 30.0  # seconds: streaming takes milliseconds, a busy machine some more
_connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


class Replicated(NamedTuple):
    """A primary and the replicas that follow it."""

    primary: Server
    replicas: Sequence[Server]

    @property
    def replica(self) -> Server:
        """The first of the replicas."""
        return self.replicas[0]


@contextmanager
def replicated(cluster: Cluster, folder: Path, *, replicas: int = 1) -> Generator[Replicated]:
    """A primary with replicas, on copies of `cluster`, for as long as the block runs.

    Args:
        cluster: its data, which are migrated.
        folder: for their data; one that the account which Postgres runs as can reach.
        replicas: how many; by `synchronous_standby_names` they are known as `replica_1` and so on.
    """
    # Durable: what was acknowledged is in the log, and so is what a replica may miss when the primary is killed.
    servers = [cluster.server(folder / "primary", durable=True)]
    try:
        for number in range(1, replicas + 1):
            name = f"replica_{number}"
            servers.append(start_replica(cluster, servers[0], folder / name, name=name))
        yield Replicated(servers[0], servers[1:])
    finally:
        for server in servers:
            server.begin_stop()
        for server in servers:
            server.stop()


def start_replica(cluster: Cluster, primary: Server, folder: Path, *, name: str) -> Server:
    """Start a streaming replica of a server that was started on a copy of `cluster`.

    Args:
        cluster: where both begin.
        primary: the server that is followed.
        folder: the replica's own.
        name: by which `synchronous_standby_names` knows it.
    """
    cluster.copy_to(folder)
    owner = (folder / "data").stat()
    sockets = make_url(primary.url).query["host"]
    for file, text in (
        ("standby.signal", ""),
        ("postgresql.auto.conf", f"primary_conninfo = 'host={sockets} user=postgres application_name={name}'\n"),
    ):
        path = folder / "data" / file
        path.write_text(text)
        os.chown(path, owner.st_uid, owner.st_gid)
    return start_postgres(folder)


@asynccontextmanager
async def paused(replica: Server) -> AsyncGenerator[None]:
    """Have a replica replay nothing for the time of a block: it answers, with what it knows."""
    await ask(replica, "SELECT pg_wal_replay_pause()")
    await until_true(replica, "SELECT pg_get_wal_replay_pause_state() = 'paused'")
    try:
        yield
    finally:
        await ask(replica, "SELECT pg_wal_replay_resume()")


async def cut_off(replica: Server) -> None:
    """Have a replica receive nothing any more: what its primary writes from now on is lost where that is killed."""
    await _configure(replica, "primary_conninfo", "")
    await until_true(replica, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")


async def promote(replica: Server) -> None:
    """Make a replica a primary."""
    await ask(replica, "SELECT pg_promote()")


def socket_of(server: Server) -> Path:
    """Where a server listens, for a proxy."""
    return Path(str(make_url(server.url).query["host"])) / ".s.PGSQL.5432"


def address_by(proxy: TcpProxy) -> str:
    """The address of the server that a proxy leads to."""
    return f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"


def kill(server: Server) -> None:
    """End a server with all its processes, as a machine does that loses its power."""
    first = psutil.Process(server.pid)
    for process in [first, *first.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


async def caught_up(primary: Server, replica: Server) -> None:
    """Return when a replica has replayed all that its primary had written by now."""
    written = await ask(primary, "SELECT pg_current_wal_insert_lsn()::text")
    await until_true(replica, f"SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn")


async def shown(primary: Server, replica: Server) -> None:
    """Return when a service that makes beats may be told by a replica all that is to be seen in its primary now."""
    now = await ask(primary, "SELECT clock_timestamp()::text")
    await until_true(replica, f"SELECT max(at) > '{now}' FROM replica_beats")  # noqa: S608 - a moment of Postgres


@asynccontextmanager
async def unacknowledged(primary: Server) -> AsyncGenerator[None]:
    """For the time of a block the primary waits for a replica that there is not, and shows no commit before its end."""
    await _configure(primary, "synchronous_standby_names", "nobody")
    waiting = asyncio.create_task(ask(primary, "SELECT 1"))
    while not await ask(primary, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')"):
        if waiting.done():
            waiting = asyncio.create_task(ask(primary, "SELECT pg_logical_emit_message(true, 'tests', '')"))
    try:
        yield
    finally:
        await _configure(primary, "synchronous_standby_names", "")
        await waiting


async def require_synchronous(primary: Server, name: str) -> None:
    """Have the primary acknowledge nothing that the replica of that name does not have."""
    await _configure(primary, "synchronous_standby_names", name)
    await until_true(primary, "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")


async def ask(server: Server, statement: str) -> Any:
    """The first column of a statement's first row, on a connection of its own."""
    connection = await _connect(server.url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def until_true(server: Server, statement: str) -> None:
    """Return when a statement answers with true."""
    async with asyncio.timeout(SEEN_WITHIN):
        while not await ask(server, statement):  # noqa: ASYNC110 - a server sets no event
            await asyncio.sleep(0.02)


async def _configure(server: Server, setting: str, value: str) -> None:
    await ask(server, f"ALTER SYSTEM SET {setting} = '{value}'")
    await ask(server, "SELECT pg_reload_conf()")
