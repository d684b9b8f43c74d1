"""`GET` of a finished job's results, in pages."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Scope as ASGIScope

from polling_api.api.admission import admission_of
from polling_api.api.auditing import entry_of
from polling_api.api.ownership import Ownership
from polling_api.api.pages import page_of
from polling_api.domain.audit import Entry
from polling_api.domain.caller import Caller, Scope
from polling_api.domain.job import Job
from polling_api.errors import Conflict, Gone
from polling_api.store.results import StoredResult

Record = Callable[[Entry], Awaitable[None]]
Page = Callable[[Job, int | None, int], Awaitable[list[StoredResult]]]


class ResultsEndpoint:
    """Pages through the results of one job.

    Args:
        ownership: finds the job for whoever asks.
        page: reads items after an index, at most so many.
        record: writes an entry of the audit log for good.
        base: the path of the set this endpoint belongs to.
    """

    def __init__(self, ownership: Ownership, page: Page, record: Record, base: str) -> None:
        self._ownership = ownership
        self._page = page
        self._record = record
        self._base = base

    async def __call__(self, scope: ASGIScope, job_id: str, after: int | None, limit: int) -> Response:
        """Answer with items after index `after`, at most `limit` of them.

        Raises:
            NotFound: there is no such job, or it is not the caller's.
            Refused: the caller's token does not allow it.
            Conflict: it has not ended.
            Gone: its results were deleted by plan.
            Unavailable: the reading of them cannot be recorded now.
        """
        caller = admission_of(scope).certain()
        job = await self._finished(caller, job_id)
        items = await self._page(job, after, limit + 1)
        # Before the first byte: what was read is in the log, whatever dies now.
        await self._record(entry_of(scope, caller, "results.read", owner=job.client_id, job_id=job.id))
        return page_of(
            f"{self._base}/{job_id}/results",
            items,
            limit,
            shown=result_document,
            parameter="after",
            place=lambda item: str(item.index),
        )

    async def _finished(self, caller: Caller, job_id: str) -> Job:
        job = (await self._ownership.find(caller, job_id, Scope.RESULTS)).job
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
