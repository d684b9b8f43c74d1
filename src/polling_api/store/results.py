"""What became of each request: stored as the provider says it, read with a row for every item.

Only what the provider really said is stored. An item without a row takes its outcome from the job at each
read, so that ending a job of 50,000 items writes none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ARRAY,
    BigInteger,
    FromClause,
    Integer,
    Text,
    Tuple,
    bindparam,
    case,
    exists,
    func,
    null,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import OUTCOME_OF_THE_REST, Job, JobError, Outcome, Status
from polling_api.domain.result import ItemResult
from polling_api.errors import Gone
from polling_api.store.arrays import Rows
from polling_api.store.engine import statements
from polling_api.store.rows import AnyRow, error_from, storable
from polling_api.store.tables import jobs, requests, results

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
    """What came of storing results; those that are not named were stored just as they are, now or before.

    Attributes:
        new: so many are stored now.
        unknown: places, among those given, whose `custom_id` the job lacks.
        contradicting: places that say something else of an item than what was told of it first.
    """

    new: int
    unknown: Sequence[int] = ()
    contradicting: Sequence[int] = ()


_job_id = bindparam("job_id", type_=Text())
_first = bindparam("first", type_=BigInteger())  # a caller may ask for any index
_last = bindparam("last", type_=BigInteger())

_told = Rows(
    "told",
    place=Integer(),
    custom_id=Text(),
    outcome=Text(),
    response=Text(),
    error_code=Text(),
    error_message=Text(),
)
_SAID = ("outcome", "response", "error_code", "error_message")
_rank = func.row_number().over(partition_by=requests.c.position, order_by=_told.c.place)
_placed = (
    select(requests.c.position, _told.c.place, _rank.label("rank"), *(_told.c[name] for name in _SAID))
    .select_from(_told.table.join(requests, requests.c.custom_id == _told.c.custom_id))
    .where(requests.c.job_id == _job_id)
    .cte("placed")
)
_first_told = _placed.alias("first_told")
_before = results.alias("before")
# What a monitor brings that was stopped for so long that the job has ended without it would belie the counts.
_taken = exists().where(jobs.c.id == _job_id, jobs.c.finished_at.is_(null()))
_stored = (
    insert(results)
    .from_select(
        ["job_id", "position", *_SAID],
        select(_job_id, _placed.c.position, *(_placed.c[name] for name in _SAID)).where(_placed.c.rank == 1, _taken),
    )
    .on_conflict_do_nothing()
    .returning(results.c.position)
    .cte("stored")
)


def _said(row: FromClause) -> Tuple:
    return tuple_(*(row.c[name] for name in _SAID))


_unknown = select(_told.c.place).where(_told.c.place.not_in(select(_placed.c.place))).order_by(_told.c.place)
_contradicting = (
    select(_placed.c.place)
    .join(_first_told, (_first_told.c.position == _placed.c.position) & (_first_told.c.rank == 1))
    .outerjoin(_before, (_before.c.job_id == _job_id) & (_before.c.position == _placed.c.position))
    .where(
        case(
            (_before.c.position.is_(null()), _said(_placed).is_distinct_from(_said(_first_told))),
            else_=_said(_placed).is_distinct_from(_said(_before)),
        )
    )
    .order_by(_placed.c.place)
)
_ADD = select(
    select(func.count()).select_from(_stored).scalar_subquery().label("new"),
    func.array(_unknown.scalar_subquery(), type_=ARRAY(Integer())).label("unknown"),
    func.array(_contradicting.scalar_subquery(), type_=ARRAY(Integer())).label("contradicting"),
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
    """Store results of an unfinished job, in one statement. What was told first of an item stays.

    Args:
        engine: the primary's.
        job_id: whose items they are.
        told: at most 1,000; some may have been stored by an earlier call.

    Raises:
        ValueError: there are more.
        Unavailable: they may or may not be stored.
    """
    if len(told) > MOST_AT_ONCE:
        raise ValueError(f"{len(told)} results at once; at most {MOST_AT_ONCE}")
    rows = ((place, *_values_of(result)) for place, result in enumerate(told))
    async with statements(engine) as connection:
        counts = (await connection.execute(_ADD, {"job_id": job_id, **_told.bind(rows)})).one()
    return Added(counts.new, tuple(counts.unknown), tuple(counts.contradicting))


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
        Gone: they are being purged, or have been (`results_expired`).
        Unavailable: the database did not answer.
    """
    first = 0 if after is None else after + 1
    parameters = {"job_id": job.id, "first": first, "last": first + limit - 1}
    async with statements(engine) as connection:
        items = [_result_from(row, job) for row in await connection.execute(_PAGE, parameters)]
    # Rows are purged in the order of their places, and by the database's clock, which may be ahead of the caller's:
    # a page that does not begin where it should must not pass for the whole.
    if first < job.progress.total and (not items or items[0].index != first):
        raise Gone("The job's results were deleted by plan.", code="results_expired")
    return items


def _result_from(row: AnyRow, job: Job) -> StoredResult:
    if row.outcome is None:
        error = job.error or _ERROR_OF_THE_REST[job.status]
        return StoredResult(row.position, row.custom_id, OUTCOME_OF_THE_REST[job.status], None, error)
    return StoredResult(row.position, row.custom_id, Outcome(row.outcome), row.response, error_from(row))


def _values_of(result: ItemResult) -> tuple[str | None, ...]:
    """A result in the order of `_told`'s columns, after its place."""
    error = result.error
    return (
        storable(result.custom_id),
        result.outcome.value,
        storable(result.response),
        storable(error.code) if error else None,
        storable(error.message) if error else None,
    )
