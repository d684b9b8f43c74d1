"""The audit log as it stands in the service's database."""

from typing import NamedTuple

from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from polling_api.store.engine import driver_url


class Row(NamedTuple):
    """What a row says."""

    client_id: str | None
    actor: str
    action: str
    job_id: str | None
    address: str | None
    outcome: str
    times: int
    correlation_id: str | None
    request_id: str | None


class Recorded:
    """Reads the log, on a new connection each time.

    Args:
        database_url: the service's.
    """

    def __init__(self, database_url: str) -> None:
        self._engine = create_async_engine(driver_url(database_url), poolclass=NullPool)

    async def of(self, correlation_id: str) -> list[Row]:
        """The rows of a request."""
        return [row for row in await self.all() if row.correlation_id == correlation_id]

    async def correlations(self) -> set[str | None]:
        """The correlation ids of all rows."""
        return {row.correlation_id for row in await self.all()}

    async def all(self) -> list[Row]:
        """Every row, in order."""
        statement = text(
            "SELECT client_id, actor, action, job_id, address, outcome, count, correlation_id, request_id"
            " FROM audit ORDER BY at, id"
        )
        async with self._engine.connect() as connection:
            return [Row(*row) for row in await connection.execute(statement)]
