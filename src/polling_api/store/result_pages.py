"""Results in the order of submission, with a row for every item, in pages that are bounded in number and in bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Text,
    bindparam,
    cast,
    exists,
    func,
    literal,
    null,
    select,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import OUTCOME_OF_THE_REST, Job, JobError, Outcome, Status
from polling_api.errors import Gone, NotFound
from polling_api.store.engine import statements
from polling_api.store.rows import AnyRow, error_from
from polling_api.store.tables import jobs, requests, results

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
class ResultPage:
    """Items in the order of submission, and whether others follow them."""

    items: Sequence[StoredResult]
    more: bool


_Items = Select[Any, Any, Any, Any, Any, Any]

_job_id = bindparam("job_id", type_=Text())
_first = bindparam("first", type_=BigInteger())  # a caller may ask for any index
_most = bindparam("most", type_=Integer())
_most_bytes = bindparam("most_bytes", type_=BigInteger())
_total = bindparam("total", type_=Integer())
_rest = bindparam("rest", type_=Text())
_outcome = bindparam("outcome", type_=Text())


def _items(*, responses: bool) -> _Items:
    """A job's items; without their responses these are not read at all, which are most of what there is."""
    response: ColumnElement[Any] = results.c.response if responses else cast(null(), Text)
    with_results = requests.outerjoin(
        results, (results.c.job_id == requests.c.job_id) & (results.c.position == requests.c.position)
    )
    return (
        select(
            requests.c.position,
            requests.c.custom_id,
            results.c.outcome,
            response.label("response"),
            results.c.error_code,
            results.c.error_message,
        )
        .select_from(with_results)
        .where(requests.c.job_id == _job_id)
    )


def _bounded(items: _Items) -> Select[Any]:
    """Those of some items that come before the bounds, and with each how many there were: one more tells of others."""
    found = items.cte("found")
    # The length of a value is known without reading it, so that what lies beyond the bound is never fetched.
    size = func.coalesce(func.octet_length(found.c.response), 0)
    before = func.coalesce(func.sum(size).over(order_by=found.c.position, rows=(None, -1)), 0)
    sized = select(found, func.count().over().label("found"), before.label("before")).subquery()
    return select(sized).where(sized.c.before < _most_bytes).order_by(sized.c.position).limit(_most)


def _page(*, responses: bool) -> Select[Any]:
    # Positions have no gaps, so a range says what LIMIT would, and leaves Postgres no other index to prefer.
    return _bounded(_items(responses=responses).where(requests.c.position.between(_first, _first + _most)))


def _page_of_outcome(*, responses: bool) -> Select[Any]:
    return _bounded(
        _items(responses=responses)
        .where(requests.c.position.between(_first, _total - literal(1)))
        .where(func.coalesce(results.c.outcome, _rest) == _outcome)
        .order_by(requests.c.position)
        .limit(_most + literal(1))
    )


# By whether an outcome is asked for, and whether responses are.
_PAGES = {
    (by_outcome, responses): made(responses=responses)
    for by_outcome, made in ((False, _page), (True, _page_of_outcome))
    for responses in (False, True)
}
_LEFT = select(
    select(func.min(requests.c.position)).where(requests.c.job_id == _job_id).scalar_subquery().label("begins_at"),
    exists().where(jobs.c.id == _job_id).label("kept"),
)


async def page(
    engine: AsyncEngine,
    job: Job,
    *,
    after: int | None,
    limit: int,
    most_bytes: int,
    outcome: Outcome | None = None,
    responses: bool = True,
) -> ResultPage:
    """Read a finished job's items in the order of submission.

    Args:
        engine: any.
        job: finished.
        after: the index after which to begin, None for the start.
        limit: at most so many items.
        most_bytes: of responses, after which a page ends; the one that goes beyond is the last.
        outcome: only items with this one; None for all.
        responses: whether they are wanted; else they are None, of all items.

    Raises:
        Gone: they are being purged, or have been (`results_expired`).
        NotFound: the job was deleted (`job_not_found`).
        Unavailable: the database did not answer.
    """
    first = 0 if after is None else after + 1
    parameters = {"job_id": job.id, "first": first, "most": limit, "most_bytes": most_bytes}
    if outcome is not None:
        parameters |= {
            "total": job.progress.total,
            "rest": OUTCOME_OF_THE_REST[job.status].value,
            "outcome": outcome.value,
        }
    async with statements(engine) as connection:
        rows = (await connection.execute(_PAGES[outcome is not None, responses], parameters)).all()
        # Asked afterwards: rows are purged in the order of their places, and by the database's clock, which may be
        # ahead of the caller's. What is still there now was there when the page was read.
        left = (await connection.execute(_LEFT, {"job_id": job.id})).one()
    if not left.kept:  # its rows go later, when a monitor comes to them
        raise NotFound("The job was deleted.", code="job_not_found")
    if first < job.progress.total and (left.begins_at is None or left.begins_at > first):
        raise Gone("The job's results were deleted by plan.", code="results_expired")
    return ResultPage([_result_from(row, job) for row in rows], bool(rows) and rows[0].found > len(rows))


def _result_from(row: AnyRow, job: Job) -> StoredResult:
    if row.outcome is None:
        error = job.error or _ERROR_OF_THE_REST[job.status]
        return StoredResult(row.position, row.custom_id, OUTCOME_OF_THE_REST[job.status], None, error)
    return StoredResult(row.position, row.custom_id, Outcome(row.outcome), row.response, error_from(row))
