"""`GET` of a job's history: every version, with times, in pages."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response

from polling_api.api.admission import Admission
from polling_api.api.cursors import Cursors
from polling_api.api.forms import asked_fields, in_link, only
from polling_api.api.ownership import Ownership, no_such_job
from polling_api.api.pages import page_of, place_in
from polling_api.domain.caller import Scope
from polling_api.domain.fields import VERSION
from polling_api.representation import progress_document, timestamp
from polling_api.store.endings import HistoryEntry

HistoryPage = Callable[[str, int, int], Awaitable[list[HistoryEntry]]]


class HistoryEndpoint:
    """Pages through the versions of one job.

    Args:
        ownership: finds the job for whoever asks.
        page: reads the versions of a job after one of them, at most so many.
        base: the path of the set this endpoint belongs to.
        cursors: by which pages follow one another.
    """

    def __init__(self, ownership: Ownership, page: HistoryPage, base: str, cursors: Cursors) -> None:
        self._ownership = ownership
        self._page = page
        self._base = base
        self._cursors = cursors

    async def __call__(
        self, admission: Admission, job_id: str, *, cursor: str | None, limit: int, fields: str | None
    ) -> Response:
        """Answer with the first versions, or those after `cursor`, at most `limit` of them.

        Raises:
            NotFound: there is no such job, or it is not the caller's.
            Refused: the caller's token does not allow it.
            BadRequest: the cursor is not one of this job's.
            Invalid: a version has no such field.
        """
        caller, wanted = admission.caller, asked_fields(VERSION, fields)
        await self._ownership.find(caller, job_id, Scope.STATUS)
        cursors = self._cursors.bound_to("history", caller.client_id or "", job_id)
        after = (place_in(cursor, cursors) or [0])[0]
        entries = await self._page(job_id, after, limit + 1)
        if not entries:  # every job has a first version, and a cursor leads to a further one: it was deleted just now
            raise no_such_job()
        return page_of(
            f"{self._base}/{job_id}/history",
            entries,
            limit,
            shown=only(history_document, wanted),
            parameter="cursor",
            place=lambda entry: cursors.at([entry.version]),
            also=in_link(wanted),
        )


def history_document(entry: HistoryEntry) -> dict[str, Any]:
    """The contract's history entry."""
    return {
        "version": entry.version,
        "status": entry.status,
        "progress": progress_document(entry.progress),
        "at": timestamp(entry.at),
    }
