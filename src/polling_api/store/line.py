"""A connection that is kept for one purpose, and belongs to no pool: it says how a server is, not how busy we are."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from polling_api.store.availability import answering
from polling_api.store.engine import driver_numbers, driver_url

_driver: Any = asyncpg  # it has no types

Answer = TypeVar("Answer")


class Line:
    """One connection, opened when it is used first and again after each failure.

    The driver is used directly: SQLAlchemy would take leave of a server that is frozen, and wait for it.

    Args:
        url: of the database, as `engine.connect` takes it.
        within: seconds for each use, a new connection included.
        application_name: shown in `pg_stat_activity`.
        pooled: as `engine.connect` takes it.
    """

    def __init__(self, url: str, *, within: float, application_name: str, pooled: bool = False) -> None:
        address = driver_url(url)
        _, options = PGDialect_asyncpg().create_connect_args(address)
        self._options: dict[str, Any] = {
            **options,
            **driver_numbers(address),
            **({"statement_cache_size": 0} if pooled else {}),
            "server_settings": {"application_name": application_name},
        }
        self._options.pop("prepared_statement_cache_size", None)
        self._within = within
        self._connection: Any = None

    async def use(self, asked: Callable[[Any], Awaitable[Answer]]) -> Answer:
        """Ask something on the driver's connection.

        Raises:
            Away: the server did not answer in time.
            PostgresError: it says that the question is wrong.
        """
        try:
            with answering():
                async with asyncio.timeout(self._within):
                    if self._connection is None or self._connection.is_closed():
                        self._connection = await _driver.connect(**self._options)
                    return await asked(self._connection)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection up, without asking anybody."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it is gone either way
                connection.terminate()
