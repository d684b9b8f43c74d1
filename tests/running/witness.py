"""What can be seen of a service from outside, written down before it ends, to be searched for secrets."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
from sqlalchemy import NullPool, Table, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from polling_api.store.engine import driver_url
from polling_api.store.tables import metadata
from running.child import Child

WITHIN = 2.0  # seconds for each part: what is frozen or gone by now has nothing more to say
# These hold what clients send and are given, and their keys: it is their job.
_MEANT = {"requests", "results", "idempotency_keys"}


async def write_down(children: Iterable[Child], database_url: str, folder: Path) -> None:
    """Write processes' arguments, workers' metrics and the database's rows to files beside the logs."""
    running = [child for child in children if child.running and not _is_stopped(child.pid)]
    with (folder / "arguments.log").open("a") as file:
        file.writelines(f"{child.name}: {psutil.Process(child.pid).cmdline()}\n" for child in running)
    with (folder / "metrics.log").open("a") as file:
        for child in running:
            file.write(await _metrics(child))
    with (folder / "rows.log").open("a") as file:
        file.writelines(await _rows(database_url))


def _is_stopped(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return True


async def _metrics(child: Child) -> str:
    if child.port is None:
        return ""
    with suppress(httpx.HTTPError):
        async with httpx.AsyncClient(base_url=child.url, timeout=WITHIN, trust_env=False) as client:
            return (await client.get("/metrics")).text
    return ""


async def _rows(database_url: str) -> list[str]:
    engine = create_async_engine(
        driver_url(database_url), poolclass=NullPool, connect_args={"timeout": WITHIN, "command_timeout": WITHIN}
    )
    rows: list[str] = []
    with suppress(SQLAlchemyError, OSError, TimeoutError):
        async with asyncio.timeout(2 * WITHIN), engine.connect() as connection:
            for table in metadata.sorted_tables:
                rows += await _rows_of(connection, table)
    return rows


async def _rows_of(connection: AsyncConnection, table: Table) -> list[str]:
    if table.name in _MEANT:
        return []
    found = await connection.execute(text(f'SELECT t::text FROM "{table.name}" t'))  # noqa: S608 - a table of ours
    return [f"{table.name}: {row[0]}\n" for row in found]
