"""How much is asked of Postgres and Redis, by their own count; and what a worker says that it holds."""

import asyncio
import re
from collections import Counter
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from polling_api.store.engine import driver_url
from stand.load import get
from stand.wire import ask_once

HELD_WITHIN = 60.0  # seconds
_CALLS = text(
    "SELECT sum(calls) FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%' "
    "AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_CHANGES = text("SELECT count(*) FROM transitions")
_OWN = {"cmdstat_info", "cmdstat_hello", "cmdstat_client"}  # what asking for the count asks itself


class Till:
    """Counts the statements on a database, and the commands of a Redis."""

    def __init__(self, database_url: str, redis_url: str = "") -> None:
        self._engine = create_async_engine(driver_url(database_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._redis_url = redis_url

    async def open(self) -> None:
        """Have statements counted."""
        async with self._engine.connect() as connection:
            await connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_stat_statements"))

    async def statements(self) -> int:
        """How many there have been, `BEGIN` and `COMMIT` too, whoever asked them."""
        async with self._engine.connect() as connection:
            return int(await connection.scalar(_CALLS) or 0)

    async def changes(self) -> int:
        """How many versions of jobs have been written, the first ones too."""
        async with self._engine.connect() as connection:
            return int(await connection.scalar(_CHANGES) or 0)

    async def commands(self) -> int:
        """How many there have been, those within scripts too."""
        redis: Any  # its commands have no types worth the name
        async with Redis.from_url(self._redis_url) as redis:  # pyright: ignore[reportUnknownMemberType]
            counts = await redis.info("commandstats")
        return Counter({name: count["calls"] for name, count in counts.items() if name not in _OWN}).total()


async def until_held(url: str, transport: str, count: int) -> None:
    """Return when a worker holds exactly so many.

    Args:
        url: of the worker.
        transport: `wait` or `stream`.
        count: of requests.

    Raises:
        TimeoutError: it does not come to that within a minute.
    """
    async with asyncio.timeout(HELD_WITHIN):
        while await _held(url, transport) != count:  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.05)


async def _held(url: str, transport: str) -> int:
    metrics = (await ask_once(url, get(url, "/metrics"))).body
    found = re.search(rb'polling_held\{transport="%s"\} (\S+)' % transport.encode(), metrics)
    return int(float(found[1])) if found else 0
