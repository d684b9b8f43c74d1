"""Whether Postgres answers, asked on a connection that is kept for this alone."""

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from polling_api.store.availability import Away, answering
from polling_api.store.engine import driver_numbers, driver_url

_driver: Any = asyncpg  # it has no types


class Heartbeat:
    """One connection, opened at the first beat and again after each failure.

    It belongs to no pool, so it says how Postgres is, and not how busy we are. The driver is used directly: SQLAlchemy
    would take leave of a server that is frozen, and wait for it.

    Args:
        url: of the database, as `engine.connect` takes it.
        within: seconds for a beat, a new connection included.
        application_name: shown in `pg_stat_activity`.
    """

    def __init__(self, url: str, *, within: float, application_name: str) -> None:
        address = driver_url(url)
        _, options = PGDialect_asyncpg().create_connect_args(address)
        self._options: dict[str, Any] = {
            **options,
            **driver_numbers(address),
            "server_settings": {"application_name": application_name},
        }
        self._options.pop("prepared_statement_cache_size", None)
        self._within = within
        self._connection: Any = None

    async def beat(self) -> None:
        """Have Postgres answer. That all its connections are taken is an answer: those that are open go on.

        Raises:
            Away: it did not in time, or lets us in no more.
        """
        try:
            with answering():
                async with asyncio.timeout(self._within):
                    await self._ask()
        except Away:
            self._give_up()
            raise
        except asyncpg.PostgresError as error:
            self._give_up()
            # A wrong password, no such database: nobody of us gets in, until somebody has mended that.
            raise Away("The database lets us in no more.", retry_after=1) from error
        except asyncpg.InterfaceError as error:
            self._give_up()
            raise Away("The connection to the database was lost.", retry_after=1) from error
        except BaseException:
            self._give_up()
            raise

    async def _ask(self) -> None:
        if self._connection is None or self._connection.is_closed():
            try:
                self._connection = await _driver.connect(**self._options)
            except asyncpg.TooManyConnectionsError:
                return
        await self._connection.execute("SELECT 1")  # without parameters: nothing is prepared for it

    def close(self) -> None:
        """Give the connection back, without asking anybody."""
        self._give_up()

    def _give_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it is gone either way
                connection.terminate()
