"""Rows that are deleted a few at a time, after nobody can see them any more."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    Column,
    ColumnClause,
    Integer,
    Select,
    Table,
    Text,
    any_,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.clock import NOW
from polling_api.store.engine import transaction
from polling_api.store.tables import idempotency_keys, job_webhooks, purges, requests, results, strays, transitions
from polling_api.store.tables import webhook_attempts as attempts
from polling_api.store.tables import webhook_deliveries as deliveries

MOST_JOBS = 100  # in one transaction: small ones need no round trips of their own
# Of a table in one transaction, and at least a row: a thousand generated images are gigabytes, for which no statement
# has the time, and what cannot be purged keeps all that is queued behind it.
MOST_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Purged:
    """What one transaction deleted: so many rows, and the last rows of so many jobs."""

    rows: int
    jobs: int


def queueing(chosen: CTE) -> CTE:
    """Queue the requests and results of the jobs of which `chosen` returns `id`, to be deleted."""
    queued = insert(purges).from_select(["job_id", "queued_at"], select(chosen.c.id, NOW))
    return queued.on_conflict_do_nothing().cte("queued")


def forgetting(gone: CTE) -> tuple[CTE, ...]:
    """What has to be done in the statement that deletes the jobs of which `gone` returns `id`.

    Their versions and keys go with them, and what was told of them; what is still to be told stays, with the secret
    to sign it. What may be many rows is queued.
    """
    told = (
        delete(deliveries)
        .where(
            deliveries.c.job_id == gone.c.id, deliveries.c.settled_at.is_not(None), deliveries.c.lease_owner.is_(None)
        )
        .returning(deliveries.c.id)
        .cte("forgotten_deliveries")
    )
    return (
        told,
        delete(attempts).where(attempts.c.delivery_id == told.c.id).cte("forgotten_attempts"),
        update(job_webhooks).where(job_webhooks.c.job_id == gone.c.id).values(orphaned_at=NOW).cte("orphaned_webhooks"),
        delete(transitions).where(transitions.c.job_id == gone.c.id).cte("forgotten_versions"),
        delete(idempotency_keys).where(idempotency_keys.c.job_id == gone.c.id).cte("forgotten_keys"),
        queueing(gone),
    )


_ids = bindparam("ids", type_=ARRAY(Text()))
_most = bindparam("most", type_=Integer())
_most_bytes = bindparam("most_bytes", type_=Integer())

_CHOOSE = select(purges.c.job_id).order_by(purges.c.queued_at).limit(MOST_JOBS).with_for_update(skip_locked=True)
_DONE = delete(purges).where(purges.c.job_id == any_(_ids))


def _some_of(table: Table, text: Column[Any]) -> Select[int, int]:
    """Delete some rows of the jobs, found by the order of their key and deleted by their place.

    The order leaves Postgres no way but the key's index, and the place no way at all to look again. `text` is what
    makes a row large. Answers how many rows were looked at, and how many of them deleted.
    """
    key = table.primary_key.columns
    place: ColumnClause[Any] = literal_column(f"{table.name}.ctid")
    size = func.coalesce(func.octet_length(text), 0).label("size")  # known without unpacking the text
    found = (
        select(place.label("place"), size, *key)
        .where(table.c.job_id == any_(_ids))
        .order_by(*key)
        .limit(_most)
        .cte("found")
    )
    before = func.sum(found.c.size).over(order_by=[found.c[column.name] for column in key]) - found.c.size
    measured = select(found.c.place, before.label("bytes_before")).subquery()
    chosen = select(measured.c.place).where(measured.c.bytes_before < _most_bytes)
    gone = delete(table).where(place == func.any(func.array(chosen.scalar_subquery()))).returning(place).cte("gone")
    return select(
        select(func.count()).select_from(found).scalar_subquery().label("found"),
        select(func.count()).select_from(gone).scalar_subquery().label("deleted"),
    )


# Requests first: a result is stored only for a request, so no monitor that was stopped for a while, and goes on
# only now, adds one behind our back.
_DELETES = (
    _some_of(requests, requests.c.body),
    _some_of(results, results.c.response),
    _some_of(strays, strays.c.line),
)


async def purge(engine: AsyncEngine, *, rows: int, most_bytes: int = MOST_BYTES) -> Purged:
    """Delete some of what is queued, oldest first, in one short transaction; any number may do so side by side.

    Args:
        engine: the primary's.
        rows: at most so many; an open transaction hides later commits from those who replay.
        most_bytes: at most about so many of text from one table, or a single row.

    Returns:
        What was deleted: nothing where nothing is queued, or all of it is others' at the moment.

    Raises:
        Unavailable: they may or may not be deleted.
    """
    left, cut = rows, False
    async with transaction(engine) as connection:
        ids = list((await connection.execute(_CHOOSE)).scalars())
        for some in _DELETES if ids else ():
            counts = (await connection.execute(some, {"ids": ids, "most": left, "most_bytes": most_bytes})).one()
            left -= counts.deleted
            if cut := counts.deleted < counts.found:
                break
        done = ids if left and not cut else []
        if done:
            await connection.execute(_DONE, {"ids": done})
    return Purged(rows=rows - left, jobs=len(done))
