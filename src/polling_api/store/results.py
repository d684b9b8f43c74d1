"""What became of each request: stored as the provider says it, read with a row for every item.

Only what the provider really said is stored. An item without a row takes its outcome from the job at each
read, so that ending a job of 50,000 items writes none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import OUTCOME_OF_THE_REST, Job, JobError, Outcome, Status
from polling_api.domain.result import ItemResult
from polling_api.store.arrays import Rows
from polling_api.store.engine import statements
from polling_api.store.rows import AnyRow, error_from, storable
from polling_api.store.tables import requests, results

MOST_AT_ONCE = 1000  # rows a transaction: a longer one would hide later commits of others from replays

_ERROR_OF_THE_REST = {
    Status.SUCCEEDED: JobError("no_result", "The provider gave no result for this request."),
    Status.FAILED: JobError("job_failed", "The job failed before this request was done."),
    Status.EXPIRED: JobError("job_expired", "The job expired before this request was done."),
    Status.CANCELLED: JobError("job_cancelled", "The job was cancelled before this request was done."),
}


@dataclass(frozen=True, slots=True)
class StoredResult:
    """One item of a finished job; `index` is its place in the order of submission, `response` JSON text."""

    index: int
    custom_id: str
    outcome: Outcome
    response: str | None
    error: JobError | None


@dataclass(frozen=True, slots=True)
class Added:
    """What came of storing results: `new` rows, and `unknown` ones whose `custom_id` the job lacks.

    The rest were stored before.
    """

    new: int
    unknown: int


_job_id = bindparam("job_id", type_=Text())
_first = bindparam("first", type_=BigInteger())  # a caller may ask for any index
_last = bindparam("last", type_=BigInteger())

_told = Rows("told", custom_id=Text(), outcome=Text(), response=Text(), error_code=Text(), error_message=Text())
_placed = (
    select(
        requests.c.job_id,
        requests.c.position,
        _told.c.outcome,
        _told.c.response,
        _told.c.error_code,
        _told.c.error_message,
    )
    .select_from(_told.table.join(requests, requests.c.custom_id == _told.c.custom_id))
    .where(requests.c.job_id == _job_id)
    .cte("placed")
)
_stored = (
    insert(results)
    .from_select([column.name for column in results.columns], select(_placed))
    .on_conflict_do_nothing()
    .returning(results.c.position)
    .cte("stored")
)
_ADD = select(
    select(func.count()).select_from(_stored).scalar_subquery().label("new"),
    select(func.count()).select_from(_placed).scalar_subquery().label("known"),
)

_TALLY = select(results.c.outcome, func.count()).where(results.c.job_id == _job_id).group_by(results.c.outcome)

_PAGE = (
    select(
        requests.c.position,
        requests.c.custom_id,
        results.c.outcome,
        results.c.response,
        results.c.error_code,
        results.c.error_message,
    )
    .select_from(
        requests.outerjoin(
            results, (results.c.job_id == requests.c.job_id) & (results.c.position == requests.c.position)
        )
    )
    # Positions have no gaps, so a range says what LIMIT would, and leaves Postgres no other index to prefer.
    .where(requests.c.job_id == _job_id, requests.c.position.between(_first, _last))
    .order_by(requests.c.position)
)


async def add(engine: AsyncEngine, job_id: str, told: Sequence[ItemResult]) -> Added:
    """Store results, in one statement. One that is stored already stays: it may be told again.

    Args:
        engine: the primary's.
        job_id: whose items they are.
        told: at most 1,000.

    Raises:
        ValueError: there are more.
        Unavailable: they may or may not be stored.
    """
    if len(told) > MOST_AT_ONCE:
        raise ValueError(f"{len(told)} results at once; at most {MOST_AT_ONCE}")
    async with statements(engine) as connection:
        rows = await connection.execute(_ADD, {"job_id": job_id, **_told.bind(map(_values_of, told))})
        counts = rows.one()
    return Added(new=counts.new, unknown=len(told) - counts.known)


async def tally(engine: AsyncEngine, job_id: str) -> dict[Outcome, int]:
    """How many results are stored, by outcome.

    Raises:
        Unavailable: the database did not answer.
    """
    async with statements(engine) as connection:
        return {Outcome(outcome): count for outcome, count in await connection.execute(_TALLY, {"job_id": job_id})}


async def page(engine: AsyncEngine, job: Job, *, after: int | None, limit: int) -> list[StoredResult]:
    """Read a finished job's items in the order of submission.

    Args:
        engine: any.
        job: finished.
        after: the index after which to begin, None for the start.
        limit: at most so many items.

    Raises:
        Unavailable: the database did not answer.
    """
    first = 0 if after is None else after + 1
    parameters = {"job_id": job.id, "first": first, "last": first + limit - 1}
    async with statements(engine) as connection:
        return [_result_from(row, job) for row in await connection.execute(_PAGE, parameters)]


def _result_from(row: AnyRow, job: Job) -> StoredResult:
    if row.outcome is None:
        error = job.error or _ERROR_OF_THE_REST[job.status]
        return StoredResult(row.position, row.custom_id, OUTCOME_OF_THE_REST[job.status], None, error)
    return StoredResult(row.position, row.custom_id, Outcome(row.outcome), row.response, error_from(row))


def _values_of(result: ItemResult) -> tuple[str | None, ...]:
    """A result in the order of `_told`'s columns."""
    error = result.error
    return (
        storable(result.custom_id),
        result.outcome.value,
        storable(result.response),
        storable(error.code) if error else None,
        storable(error.message) if error else None,
    )
