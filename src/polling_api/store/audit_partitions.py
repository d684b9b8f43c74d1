"""The audit log's partitions: one a month, made ahead of time, and dropped as a whole when all of it is over.

None of this keeps anybody from writing or reading for longer than `DROP_WITHIN`, and any number of callers may do it
side by side.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from polling_api.store.engine import statements, transaction
from polling_api.store.tables import AUDIT_PARTITION

AHEAD = timedelta(days=92)  # with no monitor for three months, whoever writes makes the partition; see `audit.add`
LATE = timedelta(days=1)  # rows that waited for the database are of yesterday at the most

MAKE_WITHIN = "1s"  # to wait for others who change the table; nobody waits behind this
# To wait for those who use the table. Everybody who wants to write waits behind this, and they have two seconds.
DROP_WITHIN = "100ms"

_CHANGING = 0x6175646974  # "audit": the name of the lock, known to all our processes

# By the schema in which `audit` is found, whatever else is called so elsewhere.
_PARTITIONS = text("""
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'audit'::regclass
""")


class Month(NamedTuple):
    """A calendar month in UTC."""

    begin: datetime

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        """The month that a moment belongs to."""
        return cls(moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0))

    @property
    def end(self) -> datetime:
        """When the next begins."""
        return (self.begin + timedelta(days=31)).replace(day=1)

    @property
    def partition(self) -> str:
        """The name of the partition that holds it."""
        return f"audit_{self.begin:%Y_%m}"


def months(first: datetime, last: datetime) -> Iterator[Month]:
    """Every month of which some lies between two moments, in order."""
    month = Month.of(first)
    while month.begin <= last:
        yield month
        month = Month(month.end)


async def make(engine: AsyncEngine, now: datetime) -> list[str]:
    """Make the partitions that are needed from now on, and are not there yet.

    Args:
        engine: the primary's.
        now: from a day before until three months after it nothing will be missing.

    Returns:
        The names of those it made: none where all are there, which costs one short read.

    Raises:
        Unavailable: they may or may not be made; somebody else is changing the table, or the database does not answer.
    """
    wanted = list(months(now - LATE, now + AHEAD))
    async with statements(engine) as connection:
        if not await _missing(connection, wanted):
            return []
    async with transaction(engine) as connection:
        await connection.execute(text(f"SET LOCAL lock_timeout = '{MAKE_WITHIN}'"))
        await connection.execute(select(func.pg_advisory_xact_lock(_CHANGING)))
        missing = await _missing(connection, wanted)
        for month in missing:
            await _make(connection, month)
    return [month.partition for month in missing]


async def drop(engine: AsyncEngine, *, before: datetime) -> list[str]:
    """Drop the partitions of which every row is from before a moment.

    A partition that somebody reads for long, as a backup does, is left for another time.

    Args:
        engine: the primary's.
        before: what is younger stays, and with it the whole month that it is of.

    Returns:
        The names of those it dropped.

    Raises:
        Unavailable: somebody uses the table for longer than is waited for, or the database does not answer; what was
            dropped before that is dropped.
    """
    async with statements(engine) as connection:
        names = (await connection.execute(_PARTITIONS)).scalars()
        over = sorted(name for name in names if (month := _month_of(name)) and month.end <= before)
    return [name for name in over if await _drop(engine, name)]


async def _missing(connection: AsyncConnection, wanted: list[Month]) -> list[Month]:
    there = set((await connection.execute(_PARTITIONS)).scalars())
    return [month for month in wanted if month.partition not in there]


async def _make(connection: AsyncConnection, month: Month) -> None:
    """Make a table like the others and attach it, which no reader or writer notices.

    `CREATE TABLE … PARTITION OF` would shut everybody out of the whole table.
    """
    name, begin, end = month.partition, month.begin.isoformat(), month.end.isoformat()
    await connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE audit INCLUDING ALL)")
    await connection.exec_driver_sql(
        f"ALTER TABLE audit ATTACH PARTITION {name} FOR VALUES FROM ('{begin}') TO ('{end}')"
    )


async def _drop(engine: AsyncEngine, name: str) -> bool:
    """Drop one; False where another is changing partitions just now, or has dropped it."""
    async with transaction(engine) as connection:
        await connection.execute(text(f"SET LOCAL lock_timeout = '{DROP_WITHIN}'"))
        if not await connection.scalar(select(func.pg_try_advisory_xact_lock(_CHANGING))):
            return False
        if name not in (await connection.execute(_PARTITIONS)).scalars():
            return False
        await connection.exec_driver_sql(f"DROP TABLE {name}")
    return True


def _month_of(name: str) -> Month | None:
    """The month of a partition of ours; None of any that somebody else has made, which is left alone."""
    found = AUDIT_PARTITION.fullmatch(name)
    return found and Month(datetime(int(found["year"]), int(found["month"]), 1, tzinfo=UTC))
