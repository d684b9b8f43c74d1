"""`GET` of a client's jobs: newest first, filtered, in pages, conditional."""

import asyncio
import re
from collections.abc import Awaitable, Collection, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Protocol
from urllib.parse import urlencode

import orjson
from starlette.responses import Response
from starlette.types import Scope

from polling_api.api.answers import VARY, Answer
from polling_api.api.conditional import parse_condition
from polling_api.api.cursors import Cursor, Cursors
from polling_api.api.forms import asked_form
from polling_api.api.handlers import AnswerResponse
from polling_api.api.pages import place_in
from polling_api.api.positions import identifier_of, microseconds, moment_of, numbers_of
from polling_api.api.requests import header, query
from polling_api.domain.job import Job, Status
from polling_api.errors import FieldError, Invalid
from polling_api.representation import JSON_TYPE, Form, Headers, Rendered
from polling_api.store.listing import EVER, START, Listed

# A cache may keep a page, and has to ask before it uses it again: a client that has submitted a job and lists its jobs
# must find it there, which no age could promise. What that costs is a `304`.
CACHED = (b"cache-control", b"private, no-cache")
RENDERED_AT_ONCE = 100  # jobs, before the loop may do something else: some 2 ms

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


class Page(Protocol):
    """Reads a client's jobs, as `store.listing.page` does from one engine."""

    def __call__(
        self, client_id: str, *, before: Listed, statuses: Collection[Status], created_after: datetime, limit: int
    ) -> Awaitable[list[Job]]:
        """At most `limit` jobs of the client, newest first."""
        ...


class ListEndpoint:
    """Pages through the jobs of one client.

    Args:
        page: reads a page.
        form: of the set this endpoint belongs to.
        cursors: by which pages follow one another.
    """

    def __init__(self, page: Page, form: Form, cursors: Cursors) -> None:
        self._page = page
        self._form = form
        self._cursors = cursors

    async def __call__(
        self,
        client_id: str,
        scope: Scope,
        *,
        status: Sequence[str] = (),
        created_after: str | None = None,
        cursor: str | None = None,
        limit: int,
    ) -> Response:
        """Answer with the newest jobs, or those after `cursor`; with `304` where the caller has that very page.

        Args:
            client_id: whose jobs.
            scope: the request.
            status: names of statuses, each value one or several divided by commas; none means all.
            created_after: a moment (RFC 3339).
            cursor: `next_cursor` of the page before.
            limit: at most so many.

        Raises:
            BadRequest: the cursor is not one of this client's list (`bad_cursor`).
            Invalid: there is no such status or field, or `created_after` is no moment.
            Unavailable: the database does not answer.
        """
        cursors = self._cursors.bound_to("jobs", client_id)
        form = asked_form(self._form, query(scope))
        # One more than asked for tells whether there are more, without counting.
        jobs = await self._page(
            client_id,
            before=_place(cursor, cursors),
            statuses=asked_statuses(status),
            created_after=asked_moment(created_after),
            limit=limit + 1,
        )
        more, jobs = len(jobs) > limit, jobs[:limit]
        described: Headers = [(b"etag", _etag(jobs, form, scope["query_string"], more=more)), CACHED, VARY]
        condition = parse_condition(header(scope, b"if-none-match"), None)
        if condition.names(described[0][1].decode()):
            return AnswerResponse(Answer(304, described))
        following = _cursor_after(jobs[-1], cursors) if more else None
        if following is not None:
            asked = {"status": ",".join(status), "created_after": created_after, "cursor": following, "limit": limit}
            asked["fields"] = ",".join(form.fields or ())
            following_query = urlencode({name: value for name, value in asked.items() if value})
            described.append((b"link", f'<{self._form.base}?{following_query}>; rel="next"'.encode()))
        body = await _rendered(jobs, form, following)
        described += [(b"content-type", JSON_TYPE.encode()), (b"content-length", b"%d" % len(body))]
        return AnswerResponse(Answer(200, described, body))


def asked_statuses(values: Sequence[str]) -> frozenset[Status]:
    """The statuses in `?status=`, which may be repeated, and may have several divided by commas.

    Raises:
        Invalid: one of them is none.
    """
    names = {name.strip() for value in values for name in value.split(",")}
    if unknown := sorted(names - set(Status)):
        rule = f"one or more of {', '.join(Status)}"
        raise Invalid(
            f"`status` is {rule}.", errors=[FieldError("?status", f"{name[:64]!r} is not {rule}") for name in unknown]
        )
    return frozenset(map(Status, names))


def asked_moment(value: str | None) -> datetime:
    """The moment in `?created_after=`, the beginning of time where it is not given.

    Raises:
        Invalid: it is no date and time with an offset (RFC 3339).
    """
    if value is None:
        return EVER
    moment = _moment(value) if _RFC3339.fullmatch(value) else None
    if moment is None:
        rule = "a moment as in RFC 3339, `2026-11-23T09:00:00Z`; a `+` in it is sent as `%2B`"
        raise Invalid(f"`created_after` is {rule}.", errors=[FieldError("?created_after", f"not {rule}")])
    return moment


def _moment(text: str) -> datetime | None:
    """A moment that has the right form; None where there is no such day or hour, or none that can be stored."""
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _place(cursor: str | None, cursors: Cursor) -> Listed:
    numbers = place_in(cursor, cursors)
    if numbers is None:
        return START
    created_at, *halves = numbers
    return Listed(moment_of(created_at), identifier_of("job", *halves))


def _cursor_after(job: Job, cursors: Cursor) -> str:
    return cursors.at([microseconds(job.created_at), *numbers_of(job.id)])


def _etag(jobs: Sequence[Job], form: Form, query: bytes, *, more: bool) -> bytes:
    """The weak tag of a page: of the versions on it, of what was asked, and of whether another page follows.

    As in a job's own tag, the moment and the status tell two histories of one version apart.
    """
    versions = (f"{job.id} {job.version} {job.status} {job.updated_at.isoformat()}" for job in jobs)
    told = "\n".join((form.base, form.api_version, str(more), *versions)).encode()
    return b'W/"%b"' % blake2b(b"%b\n%b" % (query, told), digest_size=16).hexdigest().encode()


async def _rendered(jobs: Sequence[Job], form: Form, following: str | None) -> bytes:
    documents: list[bytes] = []
    for begin in range(0, len(jobs), RENDERED_AT_ONCE):
        if begin:
            await asyncio.sleep(0)
        documents += [Rendered(job, form).body for job in jobs[begin : begin + RENDERED_AT_ONCE]]
    return b'{"object":"list","data":[%b],"has_more":%b,"next_cursor":%b}' % (
        b",".join(documents),
        orjson.dumps(following is not None),
        orjson.dumps(following),
    )
