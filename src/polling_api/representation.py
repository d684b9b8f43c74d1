"""From a version of a job to the bytes of one form of it, made once for all its readers.

Pure: the same version in the same form gives the same bytes on every node.
"""

from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cached_property
from typing import Any, NamedTuple

import orjson
from sse_starlette import ServerSentEvent

from polling_api.coding import Coding
from polling_api.domain.audit import Recorded
from polling_api.domain.fields import Fields, picked
from polling_api.domain.job import Job, Progress
from polling_api.domain.validators import entity_tag

API_VERSION = "2026-11-23"
JSON_TYPE = "application/json"

FRESH_WHILE_ACTIVE = 30  # seconds a private cache may keep a state that still changes
FRESH_WHEN_TERMINAL = 86_400  # seconds for one that never does

MOST_FORMS = 16  # kept of one version, some 2 KiB each; far more than there are forms with all fields
POLL_INTERVAL = b"x-poll-interval"

Headers = list[tuple[bytes, bytes]]


class Form(NamedTuple):
    """What makes the bytes of one version differ.

    `base` is the set of endpoints its links lead to; `fields` are the members that are shown, None for all.
    """

    base: str
    api_version: str = API_VERSION
    fields: Fields | None = None


class Rendered:
    """One version in one form. Each part is made at its first use, and then shared."""

    def __init__(self, job: Job, form: Form) -> None:
        self.job = job
        self.form = form
        # By status, coding and seconds waited for: those that `api.answers` keeps, with their max-age.
        self.answers: dict[tuple[int, Coding | None, int | None], tuple[int | None, Any]] = {}
        # By the version that a reader has seen: what `api.streaming` keeps for all who lack the same.
        self.news: dict[int, Any] = {}

    @cached_property
    def body(self) -> bytes:
        """The representation: minified UTF-8 JSON."""
        document = job_document(self.job, self.form.base)
        return orjson.dumps(document if self.form.fields is None else picked(document, self.form.fields))

    @cached_property
    def etag(self) -> str:
        """The weak entity tag (RFC 9110, section 8.8.3)."""
        fields = () if self.form.fields is None else ("\0".join(self.form.fields),)
        return entity_tag(self.job, self.form.api_version, JSON_TYPE, *fields)

    @cached_property
    def last_modified(self) -> bytes:
        """`updated_at` as an HTTP date, which knows whole seconds alone."""
        return format_datetime(self.job.updated_at.astimezone(UTC), usegmt=True).encode()

    @cached_property
    def validators(self) -> Headers:
        """The headers that a `304` shares with its `200`."""
        headers = [(b"etag", self.etag.encode())]
        if not self.job.terminal:
            headers.append((POLL_INTERVAL, b"%d" % self.job.poll_after))
        return headers

    @cached_property
    def described(self) -> Headers:
        """The headers of a `200`, but for caching."""
        return [
            (b"content-type", JSON_TYPE.encode()),
            (b"content-length", b"%d" % len(self.body)),
            (b"last-modified", self.last_modified),
            *self.validators,
        ]

    def sent(self, coding: Coding | None) -> tuple[Headers, bytes]:
        """The headers of a `200`, but for caching, and the body: as it is, or in a coding, made once for each."""
        if coding is None:
            return self.described, self.body
        made = self._coded.get(coding.name)
        if made is None:
            body = coding.whole(self.body)
            told = [header for header in self.described if header[0] != b"content-length"]
            told += [(b"content-length", b"%d" % len(body)), (b"content-encoding", coding.name.encode())]
            made = self._coded[coding.name] = told, body
        return made

    @cached_property
    def _coded(self) -> dict[str, tuple[Headers, bytes]]:
        return {}

    @cached_property
    def event(self) -> bytes:
        """The version as one Server-Sent Event (WHATWG HTML, section 9.2)."""
        return b"id: %d\n%b" % (self.job.version, self._unnumbered_event())

    @cached_property
    def unnumbered_event(self) -> bytes:
        """The same event without an id, for streams of many jobs: each puts a line with its own before it."""
        return self._unnumbered_event()

    def _unnumbered_event(self) -> bytes:
        return ServerSentEvent(self.body.decode(), event="job", sep="\n").encode()

    def max_age(self, now: float) -> int:
        """How many seconds from `now` (epoch) a private cache may keep this."""
        if not self.job.terminal:
            return FRESH_WHILE_ACTIVE
        if self.job.results_expire_at is None:
            return FRESH_WHEN_TERMINAL
        return max(0, min(FRESH_WHEN_TERMINAL, int(self.job.results_expire_at.timestamp() - now)))


class Snapshot:
    """One version of a job with all forms of it that somebody read."""

    __slots__ = ("_forms", "job")

    def __init__(self, job: Job) -> None:
        self.job = job
        self._forms: dict[Form, Rendered] = {}

    def rendered(self, form: Form) -> Rendered:
        """This version in `form`, rendered once; of forms that callers have picked the fields of, the last 16 stay."""
        rendered = self._forms.get(form)
        if rendered is None:
            if len(self._forms) >= MOST_FORMS:
                del self._forms[next(known for known in self._forms if known.fields is not None)]
            rendered = self._forms[form] = Rendered(self.job, form)
        return rendered


def job_document(job: Job, base: str) -> dict[str, Any]:
    """The contract's `job` object.

    Args:
        job: the version to describe.
        base: the path of the set that was asked, as `/api/v1/jobs`; links are absolute paths below it.
    """
    here = f"{base}/{job.id}"
    return {
        "object": "job",
        "id": job.id,
        "status": job.status,
        "terminal": job.terminal,
        "version": job.version,
        "progress": progress_document(job.progress),
        "error": job.error and {"code": job.error.code, "message": job.error.message},
        "metadata": job.metadata,
        "provider": job.provider,
        "endpoint": job.endpoint,
        "created_at": timestamp(job.created_at),
        "updated_at": timestamp(job.updated_at),
        "started_at": timestamp(job.started_at),
        "finished_at": timestamp(job.finished_at),
        "expires_at": timestamp(job.expires_at),
        "results_expire_at": timestamp(job.results_expire_at),
        "links": {
            "self": here,
            "events": f"{here}/events",
            "results": f"{here}/results",
            "cancel": f"{here}/cancel",
        },
    }


def progress_document(progress: Progress) -> dict[str, int]:
    """The contract's `progress` object."""
    return {
        "total": progress.total,
        "completed": progress.completed,
        "failed": progress.failed,
        "expired": progress.expired,
        "cancelled": progress.cancelled,
    }


def timestamp(moment: datetime | None) -> str | None:
    """A moment as RFC 3339, UTC, with microseconds even where they are zero; None stays None."""
    if moment is None:
        return None
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def audit_document(recorded: Recorded) -> dict[str, Any]:
    """The contract's audit row."""
    entry = recorded.entry
    return {
        "object": "audit",
        "id": entry.id,
        "at": timestamp(recorded.at),
        "client_id": entry.client_id,
        "actor": entry.actor,
        "action": entry.action,
        "job_id": entry.job_id,
        "address": entry.address,
        "outcome": entry.outcome,
        "count": entry.count,
        "correlation_id": entry.correlation_id,
        "request_id": entry.request_id,
    }
