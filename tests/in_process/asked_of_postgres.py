"""How much is asked of Postgres, counted by itself."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.engine import statements

_CALLS = text(
    "SELECT sum(calls) FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%' "
    "AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


async def count_statements(engine: AsyncEngine) -> None:
    """Have the statements on a database counted."""
    async with statements(engine) as connection:
        await connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_stat_statements"))


async def statements_asked(engine: AsyncEngine) -> int:
    """How many there have been, whoever asked them."""
    async with statements(engine) as connection:
        return int(await connection.scalar(_CALLS) or 0)
