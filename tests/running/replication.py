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
    await _until(replica, "SELECT pg_get_wal_replay_pause_state() = 'paused'")
    try:
        yield
    finally:
        await ask(replica, "SELECT pg_wal_replay_resume()")


async def cut_off(replica: Server) -> None:
    """Have a replica receive nothing any more: what its primary writes from now on is lost where that is killed."""
    await ask(replica, "ALTER SYSTEM SET primary_conninfo = ''")
    await ask(replica, "SELECT pg_reload_conf()")
    await _until(replica, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")


async def promote(replica: Server) -> None:
    """Make a replica a primary."""
    await ask(replica, "SELECT pg_promote()")


def kill(server: Server) -> None:
    """End a server with all its processes, as a machine does that loses its power."""
    first = psutil.Process(server.pid)
    for process in [first, *first.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


async def caught_up(primary: Server, replica: Server) -> None:
    """Return when a replica has replayed all that its primary had written by now."""
    written = await ask(primary, "SELECT pg_current_wal_insert_lsn()::text")
    await _until(replica, f"SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn")


async def require_synchronous(primary: Server, name: str) -> None:
    """Have the primary acknowledge nothing that the replica of that name does not have."""
    await ask(primary, f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
    await ask(primary, "SELECT pg_reload_conf()")
    await _until(primary, "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")


async def ask(server: Server, statement: str) -> Any:
    """The first column of a statement's first row, on a connection of its own."""
    connection = await _connect(server.url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def _until(server: Server, statement: str) -> None:
    async with asyncio.timeout(SEEN_WITHIN):
        while not await ask(server, statement):  # noqa: ASYNC110 - a server sets no event
            await asyncio.sleep(0.02)
