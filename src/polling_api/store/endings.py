"""What a caller may do to a job besides reading it: have it end, have it deleted, look at its past."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Integer as Int
from sqlalchemy import Select, Text, bindparam, exists, null, select
from sqlalchemy import delete as delete_from
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.advance import CancelRequested, Transition, advance
from polling_api.domain.job import Job, Progress, Status
from polling_api.domain.pace import SOONEST
from polling_api.errors import Conflict, Unavailable
from polling_api.store import jobs as reading
from polling_api.store.changes import CANCEL, Change, bind
from polling_api.store.engine import statements
from polling_api.store.purges import forgetting
from polling_api.store.rows import job_from
from polling_api.store.tables import jobs, transitions

MOST_TRIES = 10  # a monitor writes a version or two in the time of a try; more is a storm

# Not `job_id`: a parameter that has a column's name becomes a value of every UPDATE in its statement.
_job_id = bindparam("of_job", type_=Text())


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One version of a job, as it was, and when it was made."""

    version: int
    status: Status
    progress: Progress
    at: datetime


async def cancel(engine: AsyncEngine, job_id: str, *, results_keep: float) -> Job | None:
    """Ask for a job to end; one that nothing has gone upstream of ends at once.

    Where a monitor writes a version at the same moment, what is to become of the job is decided anew on that one.
    A job that nobody holds is due at once; one that a monitor holds is due as soon as it is given back, see
    `leases.release`.

    Args:
        engine: the primary's.
        job_id: the job.
        results_keep: seconds from a job's end until its results expire.

    Returns:
        The present version: what this made of the job; or as it was where it is being cancelled already or has
        ended. None where there is no such job.

    Raises:
        Unavailable: it may or may not be asked for; or the job changed at every try.
    """
    for _ in range(MOST_TRIES):
        job = (await reading.read(engine, [job_id])).get(job_id)
        transition = job and advance(job, CancelRequested(), now=job.updated_at)
        if job is None or transition is None:
            return job
        if saved := await _cancelled(engine, job, transition, results_keep):
            return saved
    raise Unavailable("The job changes faster than it can be cancelled.", retry_after=1)


async def _cancelled(engine: AsyncEngine, job: Job, transition: Transition, results_keep: float) -> Job | None:
    change = Change(job_id=job.id, from_version=job.version, transition=transition, poll_after=SOONEST, observed=False)
    async with statements(engine) as connection:
        row = (await connection.execute(CANCEL, {"keep": results_keep, **bind([change])})).one_or_none()
    return job_from(row) if row else None


def _deleting() -> Select[bool, bool]:
    finished = jobs.c.finished_at.is_not(null())
    gone = delete_from(jobs).where(jobs.c.id == _job_id, finished).returning(jobs.c.id).cte("gone")
    unfinished = exists().where(jobs.c.id == _job_id, jobs.c.finished_at.is_(null()))
    answer = select(exists().select_from(gone).label("deleted"), unfinished.label("unfinished"))
    return answer.add_cte(*forgetting(gone))


_DELETE = _deleting()

_HISTORY = (
    select(
        transitions.c.version,
        transitions.c.status,
        jobs.c.total,
        transitions.c.completed,
        transitions.c.failed,
        transitions.c.expired,
        transitions.c.cancelled,
        transitions.c.updated_at,
    )
    .join_from(transitions, jobs, jobs.c.id == transitions.c.job_id)
    .where(transitions.c.job_id == _job_id, transitions.c.version > bindparam("after", type_=Int()))
    .order_by(transitions.c.version)
    .limit(bindparam("most", type_=Int()))
)


async def delete(engine: AsyncEngine, job_id: str) -> bool:
    """Delete a finished job, with its history and its key; nobody finds it, or its results, from then on.

    Returns:
        False where there is no such job.

    Raises:
        Conflict: it has not ended (`job_unfinished`).
        Unavailable: it may or may not be deleted.
    """
    async with statements(engine) as connection:
        found = (await connection.execute(_DELETE, {"of_job": job_id})).one()
    if found.unfinished:
        raise Conflict("The job has not ended; only a finished one can be deleted.", code="job_unfinished")
    return found.deleted


async def history(engine: AsyncEngine, job_id: str, *, after: int, limit: int) -> list[HistoryEntry]:
    """Read versions of a job in their order.

    Args:
        engine: any; a replica may give less than the primary.
        job_id: the job; of one that is not there nothing is found.
        after: the version after which to begin, 0 for the start.
        limit: at most so many.

    Raises:
        Unavailable: the database did not answer.
    """
    parameters = {"of_job": job_id, "after": after, "most": limit}
    async with statements(engine) as connection:
        return [
            HistoryEntry(
                version=row.version,
                status=Status(row.status),
                progress=Progress(row.total, row.completed, row.failed, row.expired, row.cancelled),
                at=row.updated_at,
            )
            for row in await connection.execute(_HISTORY, parameters)
        ]
