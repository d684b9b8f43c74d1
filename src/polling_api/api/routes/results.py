"""`GET` of a finished job's results, in pages."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.responses import Response

from polling_api.api.ownership import seen_job
from polling_api.api.pages import page_of
from polling_api.domain.job import Job
from polling_api.errors import Conflict, Gone
from polling_api.store.results import StoredResult
from polling_api.watch import StatusWatch

Page = Callable[[Job, int | None, int], Awaitable[list[StoredResult]]]


class ResultsEndpoint:
    """Pages through the results of one job.

    Args:
        watch: the snapshots.
        page: reads items after an index, at most so many.
        base: the path of the set this endpoint belongs to.
    """

    def __init__(self, watch: StatusWatch, page: Page, base: str) -> None:
        self._watch = watch
        self._page = page
        self._base = base

    async def __call__(self, job_id: str, after: int | None, limit: int) -> Response:
        """Answer with items after index `after`, at most `limit` of them.

        Raises:
            NotFound: there is no such job, or it is not the caller's.
            Conflict: it has not ended.
            Gone: its results were deleted by plan.
        """
        job = await self._finished(job_id)
        return page_of(
            f"{self._base}/{job_id}/results",
            await self._page(job, after, limit + 1),
            limit,
            shown=result_document,
            parameter="after",
            place=lambda item: str(item.index),
        )

    async def _finished(self, job_id: str) -> Job:
        job = (await seen_job(self._watch, job_id)).job
        if not job.terminal:
            raise Conflict(
                f"The job is {job.status}; results are there once it has ended.",
                code="results_not_ready",
                retry_after=job.poll_after,
            )
        if job.results_expire_at and job.results_expire_at <= datetime.now(UTC):
            raise Gone("The job's results were deleted by plan.", code="results_expired")
        return job


def result_document(item: StoredResult) -> dict[str, Any]:
    """The contract's result; the response goes out as the text the provider sent."""
    return {
        "index": item.index,
        "custom_id": item.custom_id,
        "outcome": item.outcome,
        "response": None if item.response is None else orjson.Fragment(item.response),
        "error": item.error and {"code": item.error.code, "message": item.error.message},
    }
