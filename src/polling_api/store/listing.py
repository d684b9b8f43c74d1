"""A client's jobs, newest first, in pages."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, DateTime, Integer, Select, Text, bindparam, func, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job, Status
from polling_api.store.engine import statements
from polling_api.store.rows import JOB, job_from
from polling_api.store.tables import jobs


class Listed(NamedTuple):
    """A job's place in the list."""

    created_at: datetime
    job_id: str


# Bounds that exclude nothing stand for those that are not given: one statement serves with and without.
START = Listed(datetime.max.replace(tzinfo=UTC), "")
EVER = datetime.min.replace(tzinfo=UTC)

_before = tuple_(bindparam("before_at", type_=DateTime(timezone=True)), bindparam("before_id", type_=Text()))
_NEWEST_FIRST = (jobs.c.created_at.desc(), jobs.c.id.desc())


def _of_client() -> Select[Any]:
    return (
        select(*JOB)
        .where(
            jobs.c.client_id == bindparam("client_id", type_=Text()),
            tuple_(jobs.c.created_at, jobs.c.id) < _before,
            jobs.c.created_at > bindparam("created_after", type_=DateTime(timezone=True)),
        )
        .order_by(*_NEWEST_FIRST)
        .limit(bindparam("most", type_=Integer()))
    )


def _of_client_by_status() -> Select[Any]:
    """A page of each status by its own stretch of the index, and of those the newest.

    With `status = ANY(…)` instead, Postgres would go through all the client's jobs in their order, to find few.
    """
    asked = func.unnest(bindparam("statuses", type_=ARRAY(Text()))).table_valued("status").render_derived("asked")
    page = _of_client().where(jobs.c.status == asked.c.status).lateral("page")
    newest_first = (page.c.created_at.desc(), page.c.id.desc())
    joined = asked.join(page, true())
    return select(page).select_from(joined).order_by(*newest_first).limit(bindparam("most", type_=Integer()))


_PAGE, _PAGE_BY_STATUS = _of_client(), _of_client_by_status()


async def page(
    engine: AsyncEngine,
    client_id: str,
    *,
    before: Listed = START,
    statuses: Collection[Status] = (),
    created_after: datetime = EVER,
    limit: int,
) -> list[Job]:
    """Read some of a client's jobs, newest first, in one statement.

    Args:
        engine: the primary's, so that a client finds what it has just submitted.
        client_id: whose.
        before: the job after which the page begins.
        statuses: only jobs in one of these; none given means all.
        created_after: only jobs created later than this.
        limit: at most so many.

    Raises:
        Unavailable: the database did not answer.
    """
    parameters: dict[str, Any] = {
        "client_id": client_id,
        "before_at": before.created_at,
        "before_id": before.job_id,
        "created_after": created_after,
        "most": limit,
    }
    statement = _PAGE
    if statuses:
        statement, parameters["statuses"] = _PAGE_BY_STATUS, sorted({status.value for status in statuses})
    async with statements(engine) as connection:
        return [job_from(row) for row in await connection.execute(statement, parameters)]
