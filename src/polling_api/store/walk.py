"""All jobs that nobody has finished, a page at a time, along the index of what is due."""

from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import DateTime, Integer, Text, bindparam, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job
from polling_api.store.engine import statements
from polling_api.store.rows import JOB, job_from
from polling_api.store.tables import jobs


class Stop(NamedTuple):
    """Where a page ended."""

    due_at: datetime
    job_id: str


class Page(NamedTuple):
    """Some jobs, and where the next page begins; None where this was the last one."""

    jobs: list[Job]
    stop: Stop | None


_START = Stop(datetime.min.replace(tzinfo=UTC), "")

_WALK = (
    select(*JOB, jobs.c.due_at)
    .where(
        jobs.c.finished_at.is_(None),
        tuple_(jobs.c.due_at, jobs.c.id)
        > tuple_(bindparam("due_at", type_=DateTime(timezone=True)), bindparam("job_id", type_=Text())),
    )
    .order_by(jobs.c.due_at, jobs.c.id)
    .limit(bindparam("most", type_=Integer()))
)


async def unfinished(engine: AsyncEngine, *, after: Stop | None, limit: int) -> Page:
    """Read some unfinished jobs, those due first.

    A job that is looked at meanwhile is due later, and may come twice; one that is made due at once may not come at
    all. For who wants most of them soon, not each.

    Args:
        engine: the primary's.
        after: where the page before ended, None to begin.
        limit: at most so many.

    Raises:
        Unavailable: the database did not answer.
    """
    due_at, job_id = after or _START
    async with statements(engine) as connection:
        rows = (await connection.execute(_WALK, {"due_at": due_at, "job_id": job_id, "most": limit})).all()
    stop = Stop(rows[-1].due_at, rows[-1].id) if len(rows) == limit else None
    return Page([job_from(row) for row in rows], stop)
