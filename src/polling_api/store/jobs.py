"""Jobs as clients see them: stored whole or not at all, read, compared, replayed."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncpg import UniqueViolationError
from sqlalchemy import ARRAY, DateTime, Float, Text, any_, bindparam, func, insert, literal, null, or_, select, text
from sqlalchemy import Integer as Int
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from polling_api.domain.job import Job, Status
from polling_api.domain.pace import Strain
from polling_api.errors import Invalid
from polling_api.store.arrays import Rows
from polling_api.store.clock import CLOCK, NOW, later
from polling_api.store.engine import statements, transaction
from polling_api.store.idempotency import Once, claim
from polling_api.store.rows import JOB, PAST_JOB, job_from, version_of
from polling_api.store.tables import jobs, requests, transitions
from polling_api.store.unfinished import Share, require_room

COPY_TIMEOUT = 120.0  # seconds: a batch of 200 MB on a slow disk
YIELD_EVERY = 256 * 1024  # characters copied between two turns of the event loop: a millisecond's work

# What a new job begins with; the rest is given, or is null.
_moment = select(CLOCK.label("at")).cte("moment")  # volatile, so read once, not once a column
_deadline = later(_moment.c.at, bindparam("expires_in", type_=Float()))
_FIRST_VERSION = {
    **{
        name: bindparam(f"new_{name}", type_=jobs.c[name].type)
        for name in ("id", "client_id", "provider", "endpoint", "metadata", "total", "poll_after", "submitter")
    },
    "version": literal(1),
    "status": literal(Status.QUEUED.value),
    "status_version": literal(1),
    "completed": literal(0),
    "failed": literal(0),
    "expired": literal(0),
    "cancelled": literal(0),
    "created_at": _moment.c.at,
    "updated_at": _moment.c.at,
    "expires_at": _deadline,
    "deadline_at": _deadline,
    "due_at": _moment.c.at,
    "attempts": literal(0),
}
_created = (
    insert(jobs).from_select(list(_FIRST_VERSION), select(*_FIRST_VERSION.values())).returning(*JOB).cte("created")
)
_CREATE = select(_created).add_cte(version_of(_created))

_READ = select(*JOB).where(jobs.c.id == any_(bindparam("ids", type_=ARRAY(Text()))))

_known = Rows("known", id=Text(), version=Int())
_shown = Rows("shown", id=Text(), version=Int(), updated_at=DateTime(timezone=True))

# The last look upstream came to nothing.
_strained = (jobs.c.attempts > 0) & jobs.c.finished_at.is_(null())

# By the moment too: where a failover lost a version, its number was given anew.
_differs = (jobs.c.version != _shown.c.version) | (jobs.c.updated_at != _shown.c.updated_at)

_DIFFERING = (
    select(
        _shown.c.id.label("known_id"),
        _differs.label("differs"),
        _strained.label("strained"),
        jobs.c.observed_at,
        func.extract("epoch", jobs.c.due_at - NOW).label("next_look"),
        *JOB,
    )
    .select_from(_shown.table.outerjoin(jobs, jobs.c.id == _shown.c.id))
    .where(or_(jobs.c.id.is_(null()), _differs, _strained))
)

_STATUSES_AFTER = (
    select(*PAST_JOB)
    .select_from(_known.table)
    .join(jobs, jobs.c.id == _known.c.id)
    .join(transitions, transitions.c.job_id == _known.c.id)
    .where(transitions.c.version > _known.c.version, transitions.c.version == transitions.c.status_version)
    .order_by(transitions.c.job_id, transitions.c.version)
)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be stored. `expires_in` is its own deadline, `poll_after` the first pace, both in seconds.

    `share` is what its submitter may have at once, None where that is not counted.
    """

    id: str
    client_id: str | None
    provider: str
    endpoint: str
    metadata: Mapping[str, str]
    total: int
    expires_in: float | None
    poll_after: int
    share: Share | None = None


@dataclass(frozen=True, slots=True)
class NewRequest:
    """One request of a new job; `body` is JSON text."""

    custom_id: str
    body: str


@dataclass(frozen=True, slots=True)
class Created:
    """A submitted job: its present version, and whether it had been stored before, under the same key."""

    job: Job
    replayed: bool


@dataclass(frozen=True, slots=True)
class Differences:
    """Where the database and the caller disagree about the versions of jobs; and whose provider does not answer."""

    changed: list[Job] = field(default_factory=list[Job])
    missing: list[str] = field(default_factory=list[str])
    strained: dict[str, Strain] = field(default_factory=dict[str, Strain])


async def create(
    engine: AsyncEngine,
    new: NewJob,
    new_requests: Iterable[NewRequest],
    *,
    once: Once | None = None,
    within: float = COPY_TIMEOUT,
) -> Created:
    """Store a job with its requests, in one transaction, due at once; or find the one that was stored before.

    Args:
        engine: the primary's.
        new: the job; `total` has to be the number of requests.
        new_requests: read once, a few at a time, so that it may come from a file; not read for a replay.
        once: the key under which this is stored no second time.
        within: seconds; the COPY's own limit, in place of the one for ordinary statements.

    Returns:
        Version 1, or the present version of the job that the key stands for.

    Raises:
        Conflict: another submission under the same key is being stored (`idempotency_in_progress`).
        Invalid: two requests have the same `custom_id`; or the key came with something else before
            (`idempotency_key_reused`).
        ValueError: there are not `total` requests.
        TooMany: its submitter has as many unfinished ones as it may (`too_many_jobs`).
        Unavailable: it may or may not be stored.
        Exception: whatever `new_requests` raises; then nothing is stored.
    """
    async with transaction(engine) as connection, asyncio.timeout(within):
        job_id = await claim(connection, once, new.id) if once else new.id
        if job_id != new.id:
            return Created(job_from((await connection.execute(_READ, {"ids": [job_id]})).one()), replayed=True)
        if new.share is not None:
            await require_room(connection, new.share)
        # The job's row comes last: its times are then those of the commit, not of a long COPY's start.
        copied = await _copy_requests(connection, new.id, new_requests, within)
        if copied != new.total:
            raise ValueError(f"{copied} requests were given for a job of {new.total}")
        return Created(job_from((await connection.execute(_CREATE, _parameters_of(new))).one()), replayed=False)


async def read(engine: AsyncEngine, ids: Collection[str]) -> dict[str, Job]:
    """Read the present version of many jobs, in one statement.

    Raises:
        Unavailable: the database did not answer.
    """
    async with statements(engine) as connection:
        rows = await connection.execute(_READ, {"ids": list(ids)})
        return {row.id: job_from(row) for row in rows}


async def differing(engine: AsyncEngine, known: Collection[Job]) -> Differences:
    """Compare known versions with the database, in one statement; it answers only where there is something to tell.

    Args:
        engine: the primary's.
        known: a version of each job; the bound on their number is the caller's (1,000 take some 5 ms).

    Raises:
        Unavailable: the database did not answer.
    """
    differences = Differences()
    async with statements(engine) as connection:
        shown = _shown.bind((job.id, job.version, job.updated_at) for job in known)
        for row in await connection.execute(_DIFFERING, shown):
            if row.id is None:
                differences.missing.append(row.known_id)
                continue
            if row.differs:
                differences.changed.append(job_from(row))
            if row.strained:
                differences.strained[row.id] = Strain(row.observed_at, float(row.next_look))
    return differences


async def statuses_after(engine: AsyncEngine, after: Mapping[str, int]) -> dict[str, list[Job]]:
    """Replay: every later version in which the status changed, for many jobs, in one statement.

    Args:
        engine: any; a replica may give less than the primary.
        after: the version after which to begin, by id.

    Returns:
        For each id its versions in order, as they were; an empty list where there are none.

    Raises:
        Unavailable: the database did not answer.
    """
    found: dict[str, list[Job]] = {job_id: [] for job_id in after}
    async with statements(engine) as connection:
        for row in await connection.execute(_STATUSES_AFTER, _known.bind(after.items())):
            found[row.id].append(job_from(row))
    return found


async def _copy_requests(
    connection: AsyncConnection, job_id: str, new_requests: Iterable[NewRequest], within: float
) -> int:
    """Write the requests by one COPY on the driver's own connection, within the transaction under way."""
    limit = text("SELECT set_config('statement_timeout', :milliseconds, true)")
    await connection.execute(limit, {"milliseconds": str(round(within * 1000))})
    driver: Any = (await connection.get_raw_connection()).driver_connection
    try:
        done = await driver.copy_records_to_table(
            requests.name,
            columns=[column.name for column in requests.columns],
            records=_records(job_id, new_requests),
            timeout=within,
        )
    except UniqueViolationError as error:
        raise Invalid("Two requests have the same custom_id.") from error
    return int(done.removeprefix("COPY "))


async def _records(job_id: str, new_requests: Iterable[NewRequest]) -> AsyncIterator[tuple[str, int, str, str]]:
    """Number the requests, and let others run now and then: the driver would read them all in one go."""
    since_yield = 0
    for position, request in enumerate(new_requests):
        yield job_id, position, request.custom_id, request.body
        since_yield += len(request.body)
        if since_yield >= YIELD_EVERY:
            since_yield = 0
            await asyncio.sleep(0)


def _parameters_of(new: NewJob) -> dict[str, Any]:
    given = {
        "id": new.id,
        "client_id": new.client_id,
        "provider": new.provider,
        "endpoint": new.endpoint,
        "metadata": dict(new.metadata),
        "total": new.total,
        "poll_after": new.poll_after,
        "submitter": new.share and new.share.submitter,
    }
    return {"expires_in": new.expires_in, **{f"new_{name}": value for name, value in given.items()}}
