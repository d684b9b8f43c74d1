"""What the database lets us open, and what stands before it; asked once, at start."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.engine import transaction

_SETTINGS = text(
    "SELECT name, reset_val::int AS value FROM pg_settings WHERE name IN "
    "('max_connections', 'superuser_reserved_connections', 'reserved_connections', 'statement_timeout')"
)
_SESSION = text("SELECT pg_backend_pid()")


@dataclass(frozen=True, slots=True)
class Capacity:
    """How a database is set.

    Attributes:
        most: `max_connections`.
        reserved: of these, what only superusers and the privileged may open.
        pooled: whether a pooler, as PgBouncer, stands between: it has told us another process than answers.
        unlimited: whether the role's statements may take as long as they like.
    """

    most: int
    reserved: int
    pooled: bool
    unlimited: bool


async def capacity(engine: AsyncEngine) -> Capacity:
    """Ask a database; through a pooler it is the database that answers.

    Raises:
        Unavailable: it did not answer.
    """
    async with transaction(engine) as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        answering = await connection.scalar(_SESSION)
        told = {row.name: row.value for row in await connection.execute(_SETTINGS)}
    return Capacity(
        most=told["max_connections"],
        reserved=told["superuser_reserved_connections"] + told.get("reserved_connections", 0),
        pooled=driver.get_server_pid() != answering,
        unlimited=told["statement_timeout"] == 0,
    )
