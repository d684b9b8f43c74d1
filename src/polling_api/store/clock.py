"""The database's time: no node's own clock decides what is due, or in which order versions were made."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, func, literal_column, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.engine import statements

CLOCK: ColumnElement[datetime] = func.clock_timestamp(type_=DateTime(timezone=True))
"""The very moment; another at each mention. For what a version is stamped with."""

NOW: ColumnElement[datetime] = func.statement_timestamp(type_=DateTime(timezone=True))
"""When the statement arrived; the same at each mention, so that an index can be searched for it.

`due_at <= clock_timestamp()` cannot: the planner has to ask the clock again at each row, and reads all of
them.
"""


def later(moment: ColumnElement[datetime], seconds: ColumnElement[Any]) -> ColumnElement[datetime]:
    """`seconds` after `moment`; null where either is."""
    return type_coerce(moment + seconds * literal_column("interval '1 second'"), DateTime(timezone=True))


def earlier(moment: ColumnElement[datetime], seconds: ColumnElement[Any]) -> ColumnElement[datetime]:
    """`seconds` before `moment`; null where either is."""
    return later(moment, -seconds)


def just_after(moment: ColumnElement[datetime]) -> ColumnElement[datetime]:
    """The least later time that Postgres can tell from `moment`."""
    return type_coerce(moment + literal_column("interval '1 microsecond'"), DateTime(timezone=True))


async def database_time(engine: AsyncEngine) -> datetime:
    """Ask the database for its time.

    Raises:
        Unavailable: it does not answer.
    """
    async with statements(engine) as connection:
        return (await connection.execute(select(NOW))).scalar_one()
