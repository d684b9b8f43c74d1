"""What is stored of a finished job's results."""

from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job, Outcome
from polling_api.store import result_pages
from polling_api.store.result_pages import StoredResult

EVERYTHING = 2**40  # bytes


async def items_of(
    engine: AsyncEngine, job: Job, *, after: int | None = None, limit: int = 10, outcome: Outcome | None = None
) -> list[StoredResult]:
    """Items after an index, at most so many."""
    page = await result_pages.page(engine, job, after=after, limit=limit, most_bytes=EVERYTHING, outcome=outcome)
    return [*page.items]
