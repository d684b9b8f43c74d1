"""Whether Postgres answers, asked on a connection that is kept for this alone."""

from typing import Any

import asyncpg

from polling_api.store.availability import Away
from polling_api.store.line import Line


class Heartbeat:
    """One connection, on which it is asked again and again.

    Args:
        url: of the database, as `engine.connect` takes it.
        within: seconds for a beat, a new connection included.
        application_name: shown in `pg_stat_activity`.
    """

    def __init__(self, url: str, *, within: float, application_name: str) -> None:
        self._line = Line(url, within=within, application_name=application_name)

    async def beat(self) -> None:
        """Have Postgres answer. That all its connections are taken is an answer: those that are open go on.

        Raises:
            Away: it did not in time, or lets us in no more.
        """
        try:
            await self._line.use(_answer)
        except Away as error:
            if not isinstance(error.__cause__, asyncpg.TooManyConnectionsError):
                raise
        except asyncpg.PostgresError as error:
            # A wrong password, no such database: nobody of us gets in, until somebody has mended that.
            raise Away("The database lets us in no more.", retry_after=1) from error

    def close(self) -> None:
        """Give the connection back, without asking anybody."""
        self._line.close()


async def _answer(connection: Any) -> None:
    await connection.execute("SELECT 1")  # without parameters: nothing is prepared for it
