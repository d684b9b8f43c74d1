"""Whether Postgres answers, asked on a connection that is kept for this alone."""

from typing import Any

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
        """Have Postgres answer.

        Raises:
            Away: it did not in time.
        """
        await self._line.use(_answer)

    def close(self) -> None:
        """Give the connection back, without asking anybody."""
        self._line.close()


async def _answer(connection: Any) -> None:
    await connection.execute("SELECT 1")  # without parameters: nothing is prepared for it
