"""`GET` of a finished job's results: a page, or all of them as lines."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from typing import NamedTuple, Protocol

from starlette.responses import Response
from starlette.types import Scope as ASGIScope

from polling_api.api.admission import admission_of
from polling_api.api.answers import VARY
from polling_api.api.auditing import entry_of
from polling_api.api.checked import MEDIA_TYPE
from polling_api.api.codings import accepted_codings
from polling_api.api.conditional import matches, parse_condition
from polling_api.api.forms import in_link
from polling_api.api.held import Holding
from polling_api.api.negotiation import LINES
from polling_api.api.ownership import Ownership
from polling_api.api.pages import page_of
from polling_api.api.requests import header
from polling_api.api.result_documents import shown_results, shows_responses
from polling_api.api.result_lines import ResultLines
from polling_api.coding import Coding
from polling_api.domain.audit import Entry
from polling_api.domain.caller import Caller, Scope
from polling_api.domain.fields import Fields
from polling_api.domain.job import Job, Outcome
from polling_api.errors import Changed, Conflict, Gone
from polling_api.store.result_pages import ResultPage

PAGE_BYTES = 8 * 1024 * 1024  # of responses in a page, which is made in memory: where it ends sooner, more follow
BATCH_BYTES = 512 * 1024  # of responses in memory for each download under way
BATCH_ITEMS = 500  # a statement's worth of small ones

Record = Callable[[Entry], Awaitable[None]]


class ReadPage(Protocol):
    """Reads items of a finished job."""

    def __call__(
        self, job: Job, /, *, after: int | None, limit: int, most_bytes: int, outcome: Outcome | None, responses: bool
    ) -> Awaitable[ResultPage]:
        """Raises what `store.result_pages.page` raises."""
        ...


class Asked(NamedTuple):
    """What of a job's results a caller wants: items after an index, with an outcome, and of each only some members."""

    after: int | None
    limit: int
    outcome: Outcome | None
    fields: Fields | None


class ResultsEndpoint:
    """Gives the results of one job.

    Args:
        ownership: finds the job for whoever asks.
        read: reads items.
        record: writes an entry of the audit log for good.
        holding: counts downloads of all lines.
        base: the path of the set this endpoint belongs to.
    """

    def __init__(self, ownership: Ownership, read: ReadPage, record: Record, holding: Holding, base: str) -> None:
        self._ownership = ownership
        self._read = read
        self._record = record
        self._holding = holding
        self._base = base

    async def __call__(self, scope: ASGIScope, job_id: str, asked: Asked) -> Response:
        """Answer with a page of at most `asked.limit` items, or with all of them, as `Accept` says.

        Raises:
            NotFound: there is no such job, or it is not the caller's.
            Refused: the caller's token does not allow it.
            Conflict: it has not ended.
            Changed: `If-Match` names others.
            Gone: its results were deleted by plan.
            Unavailable: the reading of them cannot be recorded now.

        A download of all of them is refused as it begins: see `ResultLines`.
        """
        caller = admission_of(scope).certain()
        job = await self._finished(caller, job_id)
        media_type: str = scope[MEDIA_TYPE]
        coding = accepted_codings(scope).best
        etag = _etag_of(job, asked, media_type, coding)
        if not matches(header(scope, b"if-match"), etag):
            raise Changed("These are not the results that `If-Match` names.")
        if parse_condition(header(scope, b"if-none-match"), None).names(etag):
            return Response(status_code=304, headers=_headers(etag))
        whole = media_type == LINES
        shown, responses = shown_results(asked.fields), shows_responses(asked.fields)

        async def read_after(after: int | None, limit: int) -> ResultPage:
            most_bytes = BATCH_BYTES if whole else PAGE_BYTES
            return await self._read(
                job, after=after, limit=limit, most_bytes=most_bytes, outcome=asked.outcome, responses=responses
            )

        async def begin(limit: int) -> ResultPage:
            page = await read_after(asked.after, limit)
            # Before the first byte: what was read is in the log, whatever dies now.
            await self._record(entry_of(scope, caller, "results.read", owner=job.client_id, job_id=job.id))
            return page

        if whole:
            return ResultLines(
                job,
                partial(begin, BATCH_ITEMS),
                partial(read_after, limit=BATCH_ITEMS),
                _headers(etag),
                holding=self._holding,
                shown=shown,
                coding=coding,
            )
        page = await begin(asked.limit)
        return page_of(
            f"{self._base}/{job_id}/results",
            page.items,
            asked.limit,
            shown=shown,
            parameter="after",
            place=lambda item: str(item.index),
            more=page.more,
            also=({} if asked.outcome is None else {"outcome": asked.outcome}) | in_link(asked.fields),
            headers=_headers(etag),
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


def _etag_of(job: Job, asked: Asked, media_type: str, coding: Coding | None) -> str:
    """The strong tag: results of a finished job never change, so what was asked for makes the bytes.

    Those of a coding depend on the library too. A page that is too short to be compressed has its coding's tag all the
    same: whether it is cannot be known before it is read, and the same tag still means the same bytes.
    """
    after, limit, outcome, fields = asked
    made_by = coding and coding.made_by
    told = (job.id, job.version, job.updated_at.isoformat(), media_type, after, outcome, fields, made_by)
    # All of them are sent in one go, however many a page has.
    parts = told if media_type == LINES else (*told, limit)
    digest = blake2b(chr(10).join(map(str, parts)).encode(), digest_size=16).hexdigest()
    return f'"{digest}"' if coding is None else f'"{digest}-{coding.name}"'


def _headers(etag: str) -> dict[str, str]:
    return {"etag": etag, "cache-control": "private, no-cache", "vary": VARY[1].decode()}
