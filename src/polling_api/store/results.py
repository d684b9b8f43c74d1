"""What became of each request, stored as the provider says it; `result_pages` reads it.

Only what the provider really said is stored. An item without a row takes its outcome from the job at each
read, so that ending a job of 50,000 items writes none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ARRAY,
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

from polling_api.domain.job import Outcome
from polling_api.domain.result import ItemResult
from polling_api.store.arrays import Rows
from polling_api.store.engine import statements
from polling_api.store.rows import storable
from polling_api.store.tables import jobs, requests, results

MOST_AT_ONCE = 1000  # rows a transaction: a longer one would hide later commits of others from replays


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
