"""The audit log in Postgres: many entries written by one statement, and read in pages, newest first."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import DateTime, Float, Integer, Select, Text, bindparam, func, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from polling_api.domain.audit import Entry, Place, Recorded
from polling_api.errors import Unavailable
from polling_api.store import audit_partitions as partitions
from polling_api.store.arrays import Rows
from polling_api.store.clock import CLOCK, NOW, database_time, later
from polling_api.store.engine import statements
from polling_api.store.rows import AnyRow, storable
from polling_api.store.tables import audit

RETRY_AFTER = 2  # seconds

_TIME = DateTime(timezone=True)

_given = Rows(
    "given",
    id=Text(),
    client_id=Text(),
    actor=Text(),
    action=Text(),
    job_id=Text(),
    address=Text(),
    outcome=Text(),
    count=Integer(),
    correlation_id=Text(),
    request_id=Text(),
    minute=_TIME,
)
_kept = [column for column in _given.c if column.name != "minute"]

# The database's clock, not a node's. A node names the minute in which it counted, and if its clock is wrong that is
# taken for a moment of the last day: so no row is of the future, nor of a past whose partition was dropped.
_earliest = later(NOW, literal(-partitions.LATE.total_seconds(), Float()))
_at = func.least(func.greatest(func.coalesce(_given.c.minute, CLOCK), _earliest), CLOCK)

# A row is a tuple, which has a method of this name.
_COLUMNS = [column.label("times") if column.name == "count" else column for column in audit.columns]

# What was written by an earlier try that got no answer, is not written twice.
_ADD = (
    insert(audit).from_select(["at", *(column.name for column in _kept)], select(_at, *_kept)).on_conflict_do_nothing()
)


async def add(engine: AsyncEngine, entries: Sequence[Entry]) -> None:
    """Write entries, all or none, in one transaction; the same ones may be tried again where they have a minute.

    A row that finds no partition makes it: partitions are made ahead by the monitors, but whoever is to be told that
    an entry was written must not depend on their having run.

    Args:
        engine: the primary's.
        entries: up to some thousand.

    Raises:
        Unavailable: they may or may not be written.
    """
    rows = _given.bind(map(_row_of, entries))
    try:
        await _add(engine, rows)
    except IntegrityError as error:
        if not _found_no_partition(error):
            raise
        await partitions.make(engine, await database_time(engine))
        await _add(engine, rows)


async def add_beside(connection: AsyncConnection, entry: Entry) -> None:
    """Write an entry in a transaction under way: it is kept if what it tells of is.

    Raises:
        Unavailable: this month has no partition yet, which is made by whoever writes an entry by itself; nothing of
            the transaction is kept.
    """
    try:
        await connection.execute(_ADD, _given.bind([_row_of(entry)]))
    except IntegrityError as error:
        if not _found_no_partition(error):
            raise
        raise Unavailable("The audit log has no place for this moment yet.", retry_after=RETRY_AFTER) from error


async def page(
    engine: AsyncEngine,
    *,
    within: float,
    limit: int,
    client_id: str | None = None,
    action: str | None = None,
    before: Place | None = None,
) -> list[Recorded]:
    """Read entries, newest first.

    Args:
        engine: any; a replica may give less than the primary.
        within: seconds before now: nothing older is found, although it may not be dropped yet.
        limit: at most so many.
        client_id: of this owner alone; None for all, and those of nobody.
        action: this one, or all of a kind, as `refused` is of `refused.read_job`; None for all.
        before: where the page before ended.

    Raises:
        Unavailable: the database did not answer.
    """
    given = {"within": within, "limit": limit, "client_id": client_id, "action": action}
    if before is not None:
        given |= {"before_at": before.at, "before_id": before.id}
    statement = _page(owned=client_id is not None, acted=action is not None, following=before is not None)
    async with statements(engine) as connection:
        return [_recorded(row) for row in await connection.execute(statement, given)]


async def _add(engine: AsyncEngine, rows: dict[str, Any]) -> None:
    async with statements(engine) as connection:
        await connection.execute(_ADD, rows)


def _page(*, owned: bool, acted: bool, following: bool) -> Select[*tuple[Any, ...]]:
    columns = [column for column in audit.columns if column is not audit.c.count]
    # A row is a tuple, whose `count` is a method.
    found = select(*columns, audit.c.count.label("times")).where(
        audit.c.at >= later(NOW, -bindparam("within", type_=Float()))
    )
    if owned:
        found = found.where(audit.c.client_id == bindparam("client_id", type_=Text()))
    if acted:
        asked = bindparam("action", type_=Text())
        found = found.where(or_(audit.c.action == asked, func.starts_with(audit.c.action, asked + ".")))
    if following:
        at, entry_id = bindparam("before_at", type_=_TIME), bindparam("before_id", type_=Text())
        # The first leaves out partitions, which the second, a comparison of pairs, does not.
        found = found.where(audit.c.at <= at, tuple_(audit.c.at, audit.c.id) < tuple_(at, entry_id))
    return found.order_by(audit.c.at.desc(), audit.c.id.desc()).limit(bindparam("limit", type_=Integer()))


def _found_no_partition(error: IntegrityError) -> bool:
    """Postgres tells it as it tells a violated check, but without the name of any."""
    told = error.orig and error.orig.__cause__
    return getattr(told, "sqlstate", None) == "23514" and getattr(told, "constraint_name", None) is None


def _row_of(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.id,
        entry.client_id,
        entry.actor,
        entry.action,
        entry.job_id,
        entry.address,
        entry.outcome,
        entry.count,
        # From outside, and checked there; but one that Postgres refuses would take all the others with it.
        storable(entry.correlation_id),
        storable(entry.request_id),
        entry.minute,
    )


def _recorded(row: AnyRow) -> Recorded:
    entry = Entry(
        id=row.id,
        client_id=row.client_id,
        actor=row.actor,
        action=row.action,
        outcome=row.outcome,
        job_id=row.job_id,
        address=row.address,
        count=row.times,
        correlation_id=row.correlation_id,
        request_id=row.request_id,
    )
    return Recorded(entry, row.at)
