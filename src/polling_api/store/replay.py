"""What became of a client's jobs since a reader was last told, and the state they were in then.

`transitions.xid` says which transaction wrote a version. What a snapshot of Postgres covers is exactly what could be
seen at its moment, whatever else was still open; so what lies between two snapshots is exactly what was committed
between them, also by transactions that had begun long before. Within, the order is that of the transactions' ids: a
job's versions are in order, as each is decided on the one before, and so begins to be written after its commit.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Text,
    bindparam,
    cast,
    func,
    null,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import TERMINAL, Status
from polling_api.domain.places import Horizon, Move, Moves, Place, Position, Visited, Visits
from polling_api.store.arrays import Rows
from polling_api.store.engine import statements
from polling_api.store.rows import JOB, PAST_JOB, AnyRow, job_from
from polling_api.store.tables import jobs, transitions
from polling_api.store.xids import PgSnapshot, Xid8

BEGINNING = Position(0, "", 0)
OLDEST = Visited(datetime.min.replace(tzinfo=UTC), "")

_UNFINISHED = sorted(status.value for status in Status if status not in TERMINAL)

_most = bindparam("most", type_=Integer())
_place = Rows(
    "place",
    client_id=Text(),
    since=Text(),
    until=Text(),
    after_xid=Xid8(),
    after_job_id=Text(),
    after_version=Integer(),
)


def _covered(xid: ColumnElement[Any], snapshot: ColumnElement[Any]) -> ColumnElement[bool]:
    return func.pg_visible_in_snapshot(xid, cast(snapshot, PgSnapshot))


def _moves() -> Select[*tuple[Any, ...]]:
    # Read by the statement's own snapshot, so that it says what the statement could see.
    until = func.coalesce(_place.c.until, cast(func.pg_current_snapshot(), Text))
    moved = (
        select(*PAST_JOB, transitions.c.xid)
        .join_from(transitions, jobs, jobs.c.id == transitions.c.job_id)
        .where(
            transitions.c.client_id == _place.c.client_id,
            # Said twice: by this the index is searched, by the next the rest is left out.
            transitions.c.xid >= func.pg_snapshot_xmin(cast(_place.c.since, PgSnapshot)),
            ~_covered(transitions.c.xid, _place.c.since),
            _covered(transitions.c.xid, until),
            tuple_(transitions.c.xid, transitions.c.job_id, transitions.c.version)
            > tuple_(_place.c.after_xid, _place.c.after_job_id, _place.c.after_version),
            or_(transitions.c.version == transitions.c.status_version, transitions.c.version == jobs.c.version),
        )
        .order_by(transitions.c.xid, transitions.c.job_id, transitions.c.version)
        .limit(_most)
        .lateral("moved")
    )
    return (
        select(_place.c.client_id.label("asked"), until.label("until"), moved)
        .select_from(_place.table.outerjoin(moved, true()))
        .order_by(_place.c.client_id, moved.c.xid, moved.c.id, moved.c.version)
    )


def _visits() -> Select[*tuple[Any, ...]]:
    asked = func.unnest(bindparam("statuses", type_=ARRAY(Text()))).table_valued("status").render_derived("asked")
    of_status = (
        select(*JOB)
        .where(
            jobs.c.client_id == bindparam("client_id", type_=Text()),
            jobs.c.status == asked.c.status,
            tuple_(jobs.c.created_at, jobs.c.id)
            > tuple_(bindparam("after_at", type_=DateTime(timezone=True)), bindparam("after_id", type_=Text())),
        )
        .order_by(jobs.c.created_at, jobs.c.id)
        .limit(_most)
        .lateral("of_status")
    )
    unfinished = (
        select(of_status)
        .select_from(asked.join(of_status, true()))
        .order_by(of_status.c.created_at, of_status.c.id)
        .limit(_most)
        .subquery("unfinished")
    )
    then = (
        select(transitions)
        .where(
            transitions.c.job_id == unfinished.c.id,
            or_(
                transitions.c.xid.is_(null()),
                _covered(transitions.c.xid, bindparam("since", type_=Text())),
            ),
        )
        .order_by(transitions.c.version.desc())
        .limit(1)
        .lateral("then")
    )
    columns = [then.c[column.name] if column.table is transitions else unfinished.c[column.name] for column in PAST_JOB]
    return (
        select(*columns)
        .select_from(unfinished.outerjoin(then, true()))
        .order_by(unfinished.c.created_at, unfinished.c.id)
    )


_MOVES, _VISITS = _moves(), _visits()


async def moves(engine: AsyncEngine, places: Mapping[str, Place | None], *, limit: int) -> dict[str, Moves]:
    """Read what each of several clients' readers has not been told, in one statement.

    These are the versions in which a status changed, and of each job the newest; those of jobs that were deleted since
    are not among them.

    Args:
        engine: the primary's; a replica cannot say which transactions are open.
        places: where a reader of each client's jobs stands; None stands for the present, of which nothing is lacking.
        limit: at most so many for each client.

    Returns:
        A page for every client. What `Place.beyond` names may be among the moves.

    Raises:
        Unavailable: the database did not answer.
    """
    parameters = {"most": limit + 1, **_place.bind(_values_of(client, place) for client, place in places.items())}
    async with statements(engine) as connection:
        rows = list(await connection.execute(_MOVES, parameters))
    return {client: _page_of(list(its), limit) for client, its in groupby(rows, key=lambda row: row.asked)}


async def visits(
    engine: AsyncEngine, client_id: str, since: Horizon, *, after: Visited | None = None, limit: int
) -> Visits:
    """Read some of a client's jobs that are unfinished, oldest first, each as it was at a moment.

    A job that has ended since then is not among them, nor one that was not there yet: `moves` has what became of both.

    Args:
        engine: the primary's.
        client_id: whose.
        since: the moment.
        after: the job after which to begin; None for the oldest.
        limit: at most so many.

    Raises:
        Unavailable: the database did not answer.
    """
    after = after or OLDEST
    parameters: dict[str, Any] = {
        "client_id": client_id,
        "statuses": _UNFINISHED,
        "since": str(since),
        "after_at": after.created_at,
        "after_id": after.job_id,
        "most": limit + 1,
    }
    async with statements(engine) as connection:
        rows = list(await connection.execute(_VISITS, parameters))
    more, rows = len(rows) > limit, rows[:limit]
    last = Visited(rows[-1].created_at, rows[-1].id) if rows else None
    return Visits([job_from(row) for row in rows if row.version is not None], last, more)


def _values_of(client_id: str, place: Place | None) -> tuple[Any, ...]:
    """A place in the order of `_place`'s columns."""
    if place is None:
        return (client_id, None, None, *BEGINNING)
    until = None if place.until is None else str(place.until)
    return (client_id, str(place.since), until, *(place.after or BEGINNING))


def _page_of(rows: list[AnyRow], limit: int) -> Moves:
    found = [Move(job_from(row), row.xid) for row in rows[:limit] if row.xid is not None]
    return Moves(Horizon.parse(rows[0].until), found, more=len(rows) > limit)
