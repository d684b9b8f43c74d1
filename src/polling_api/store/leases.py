"""Which monitor looks after which job, and what it may write while it does.

A lease is a `due_at` that was pushed into the future and the name of who did it. Nobody else finds the job
due until then; a monitor that dies needs no cleaning up after, since its jobs become due by themselves. What
a monitor writes is fenced by its name and by the version it saw: one that lost its lease changes nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import (
    ARRAY,
    Boolean,
    Float,
    Integer,
    Text,
    any_,
    bindparam,
    case,
    func,
    null,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job
from polling_api.store.arrays import Rows
from polling_api.store.changes import MINE, OWNER, SAVE, Change, bind
from polling_api.store.clock import NOW, later
from polling_api.store.engine import statements
from polling_api.store.rows import JOB, AnyRow, job_from
from polling_api.store.tables import jobs


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that the claimer now holds.

    Attributes:
        job: its present version.
        upstream_id: the provider's batch, if one is known.
        attempts: looks in a row that came to nothing.
        taken_over: another monitor held it and did not give it back: what it did last may not have been
        published.
        cancel_requested: a caller wants the job to end.
        until_deadline: seconds until the job's own deadline, negative when it is over; None where it has none.
        age: seconds since it was created.
        now: the database's time.
    """

    job: Job
    upstream_id: str | None
    attempts: int
    taken_over: bool
    cancel_requested: bool
    until_deadline: float | None
    age: float
    now: datetime

    @property
    def deadline_passed(self) -> bool:
        """Whether the job's own deadline is over."""
        return self.until_deadline is not None and self.until_deadline <= 0

    def after(self, seconds: float) -> "Claimed":
        """The same job as it is so many seconds later, if nobody has changed it."""
        return replace(
            self,
            until_deadline=None if self.until_deadline is None else self.until_deadline - seconds,
            age=self.age + seconds,
            now=self.now + timedelta(seconds=seconds),
        )


@dataclass(frozen=True, slots=True)
class Look:
    """A look that changed nothing.

    Attributes:
        job_id: the job.
        next_look: seconds until it is due again.
        attempts: looks in a row that came to nothing.
        observed: whether the provider answered.
        heeds_cancel: whether the job is due at once where a caller wants it to end: true of a look that knew of no
            cancel, since one may have come meanwhile.
    """

    job_id: str
    next_look: float
    attempts: int
    observed: bool
    heeds_cancel: bool = True


_lease = bindparam("lease", type_=Float())
_ids = bindparam("ids", type_=ARRAY(Text()))

# In a CTE, which is evaluated once: as a subquery it could be the inner side of a join, and lock more than
# the limit.
_due = (
    select(jobs.c.id, jobs.c.lease_owner.is_not(null()).label("taken_over"))
    .where(jobs.c.finished_at.is_(null()), jobs.c.due_at <= NOW)
    .order_by(jobs.c.due_at)
    .limit(bindparam("most", type_=Integer()))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_CLAIM = (
    update(jobs)
    .where(jobs.c.id == _due.c.id)
    .values(due_at=later(NOW, _lease), lease_owner=OWNER)
    .returning(
        *JOB,
        jobs.c.upstream_id,
        jobs.c.attempts,
        _due.c.taken_over,
        jobs.c.cancel_requested_at.is_not(null()).label("cancel_requested"),
        func.extract("epoch", jobs.c.deadline_at - NOW).label("until_deadline"),
        NOW.label("now"),
    )
)

_look = Rows("look", job_id=Text(), next_look=Float(), attempts=Integer(), observed=Boolean(), heeds_cancel=Boolean())
_cancelled_meanwhile = jobs.c.cancel_requested_at.is_not(null()) & _look.c.heeds_cancel
_RELEASE = (
    update(jobs)
    .where(jobs.c.id == _look.c.job_id, MINE)
    .values(
        due_at=case((_cancelled_meanwhile, NOW), else_=later(NOW, _look.c.next_look)),
        lease_owner=null(),
        attempts=_look.c.attempts,
        observed_at=case((_look.c.observed, NOW), else_=jobs.c.observed_at),
    )
)

_RENEW = update(jobs).where(jobs.c.id == any_(_ids), MINE).values(due_at=later(NOW, _lease)).returning(jobs.c.id)

_REMEMBER_BATCH = (
    update(jobs)
    .where(jobs.c.id == bindparam("job_id", type_=Text()), MINE)
    .values(upstream_id=bindparam("batch_id", type_=Text()))
)

_NEXT_DUE = select(func.extract("epoch", func.min(jobs.c.due_at) - NOW)).where(jobs.c.finished_at.is_(null()))


async def claim(engine: AsyncEngine, *, owner: str, limit: int, lease: float) -> list[Claimed]:
    """Take the jobs that have been due longest; no two claimers ever get the same.

    Args:
        engine: the primary's.
        owner: the claimer's name, its own in all the world and at each start.
        limit: at most so many.
        lease: seconds for which nobody else finds them due.

    Raises:
        Unavailable: the database did not answer; what was claimed nevertheless is due again after `lease`.
    """
    async with statements(engine) as connection:
        rows = await connection.execute(_CLAIM, {"owner": owner, "most": limit, "lease": lease})
        return [_claimed_from(row) for row in rows]


async def save(engine: AsyncEngine, owner: str, changes: Sequence[Change], *, results_keep: float) -> list[Job]:
    """Write the next version of many jobs, with its transition, in one statement.

    A job is passed over where `owner` no longer holds it, or it has gone on since `from_version`, or has
    ended.

    Args:
        engine: the primary's.
        owner: the writer's name, under which it claimed.
        changes: at most one for each job.
        results_keep: seconds from a job's end until its results expire.

    Returns:
        The versions written, in no order; to be published.

    Raises:
        Unavailable: they may or may not be written.
    """
    if not changes:
        return []
    parameters = {"owner": owner, "keep": results_keep, **bind(changes)}
    async with statements(engine) as connection:
        return [job_from(row) for row in await connection.execute(SAVE, parameters)]


async def release(engine: AsyncEngine, owner: str, looks: Sequence[Look]) -> None:
    """Give back jobs that have not changed, to be due again later, in one statement.

    One that a caller has asked to cancel since it was claimed is due at once, if the look heeds that.

    Raises:
        Unavailable: they may or may not be given back; if not, they are due when the lease ends.
    """
    if not looks:
        return
    rows = ((look.job_id, look.next_look, look.attempts, look.observed, look.heeds_cancel) for look in looks)
    async with statements(engine) as connection:
        await connection.execute(_RELEASE, {"owner": owner, **_look.bind(rows)})


async def renew(engine: AsyncEngine, owner: str, ids: Collection[str], lease: float) -> set[str]:
    """Hold jobs for another `lease` seconds from now.

    Returns:
        Those that `owner` still holds; it has to let go of the others at once.

    Raises:
        Unavailable: it cannot be said which are held.
    """
    if not ids:
        return set()
    async with statements(engine) as connection:
        rows = await connection.execute(_RENEW, {"owner": owner, "ids": list(ids), "lease": lease})
        return set(rows.scalars())


async def remember_batch(engine: AsyncEngine, owner: str, job_id: str, upstream_id: str) -> bool:
    """Note the provider's batch of a job.

    Returns:
        False where `owner` no longer holds the job; nothing is noted then.

    Raises:
        Unavailable: it may or may not be noted.
    """
    async with statements(engine) as connection:
        parameters = {"owner": owner, "job_id": job_id, "batch_id": upstream_id}
        return (await connection.execute(_REMEMBER_BATCH, parameters)).rowcount == 1


async def next_due(engine: AsyncEngine) -> float | None:
    """Seconds until the next job is due, or its lease ends; 0 where one is due now, None where there is none.

    Raises:
        Unavailable: the database did not answer.
    """
    async with statements(engine) as connection:
        seconds = await connection.scalar(_NEXT_DUE)
    return None if seconds is None else max(0.0, float(seconds))


def _claimed_from(row: AnyRow) -> Claimed:
    return Claimed(
        job=job_from(row),
        upstream_id=row.upstream_id,
        attempts=row.attempts,
        taken_over=row.taken_over,
        cancel_requested=row.cancel_requested,
        until_deadline=None if row.until_deadline is None else float(row.until_deadline),
        age=(row.now - row.created_at).total_seconds(),
        now=row.now,
    )
