"""The requests of a job, as the provider wants them."""

from collections.abc import AsyncIterator, Sequence

import orjson
from sqlalchemy import Integer, Text, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.engine import statements
from polling_api.store.rows import AnyRow
from polling_api.store.tables import jobs, requests

PAGE_ROWS = 1000  # small requests: fewer round trips gain nothing beyond this
PAGE_BYTES = 4 * 1024 * 1024  # large ones: what one upload holds in memory, and at least one request

_job_id = bindparam("job_id", type_=Text())
_first = bindparam("first", type_=Integer())
_endpoint = select(jobs.c.endpoint).where(jobs.c.id == _job_id).scalar_subquery()
_size = func.octet_length(requests.c.body)  # known without unpacking the body
_candidates = (
    select(
        requests.c.position,
        requests.c.custom_id,
        requests.c.body,
        (func.sum(_size).over(order_by=requests.c.position) - _size).label("bytes_before"),
    )
    # Positions have no gaps, so a range says what LIMIT would, and leaves Postgres no other index to prefer.
    .where(requests.c.job_id == _job_id, requests.c.position.between(_first, _first + PAGE_ROWS - 1))
    .subquery("candidates")
)
_PAGE = (
    select(_candidates.c.position, _candidates.c.custom_id, _candidates.c.body, _endpoint.label("endpoint"))
    .where(_candidates.c.bytes_before < PAGE_BYTES)
    .order_by(_candidates.c.position)
)


async def lines(engine: AsyncEngine, job_id: str) -> AsyncIterator[bytes]:
    """A job's requests as lines of the OpenAI batch input format, without newlines, in order.

    Read a page at a time; between two pages neither a connection nor a transaction is held, so that a slow
    upload is no burden on the database.

    Raises:
        Unavailable: the database did not answer; what was yielded is good.
    """
    first = 0
    while page := await _page(engine, job_id, first):
        for row in page:
            yield _line(row)
        first += len(page)


async def _page(engine: AsyncEngine, job_id: str, first: int) -> Sequence[AnyRow]:
    async with statements(engine) as connection:
        return (await connection.execute(_PAGE, {"job_id": job_id, "first": first})).all()


def _line(row: AnyRow) -> bytes:
    """Put the stored body into its line as it is: parsing it again could only change it."""
    head = orjson.dumps({"custom_id": row.custom_id, "method": "POST", "url": row.endpoint})
    # JSON has newlines only between its tokens, where a space is as good.
    body = row.body.replace("\r", " ").replace("\n", " ").encode()
    return b'%b,"body":%b}' % (head[:-1], body)
