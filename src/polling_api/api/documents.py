"""The shapes of requests and answers, for the OpenAPI document and the people who read it.

Answers are not built from these: they are rendered once a version, as bytes. A test holds the two together.
"""

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from polling_api.api.codes import KINDS
from polling_api.api.problems import title_of
from polling_api.domain.job import Outcome, Status
from polling_api.representation import API_VERSION

_JOB = "job_0b5c1e0e3a7f4a52b1d95f0c6a3e8d21"
_TAG = 'W/"4-6a1f0c2b9d3e5f78"'

JobId = Annotated[
    str,
    Path(description="The job's id: `job_` and 32 hexadecimal digits.", examples=[_JOB]),
]


class ProgressDocument(BaseModel):
    """How many items have which outcome; at the end the four add up to `total`."""

    total: int = Field(ge=1)
    completed: int = Field(ge=0)
    failed: int = Field(ge=0)
    expired: int = Field(ge=0)
    cancelled: int = Field(ge=0)


class ErrorDocument(BaseModel):
    """A stable code for programs, and a sentence for people."""

    code: str
    message: str


class LinksDocument(BaseModel):
    """Absolute paths to what else there is of the job."""

    self: str
    events: str
    results: str
    cancel: str


class JobDocument(BaseModel):
    """A job: one batch of generation requests. Trust `terminal`, not a list of statuses of your own."""

    model_config = ConfigDict(
        title="Job",
        json_schema_extra={
            "examples": [
                {
                    "object": "job",
                    "id": _JOB,
                    "status": "in_progress",
                    "terminal": False,
                    "version": 4,
                    "progress": {"total": 100, "completed": 40, "failed": 1, "expired": 0, "cancelled": 0},
                    "error": None,
                    "metadata": {"team": "films"},
                    "provider": "simulator",
                    "endpoint": "/v1/chat/completions",
                    "created_at": "2026-11-23T09:00:00.000000Z",
                    "updated_at": "2026-11-23T09:00:12.345678Z",
                    "started_at": "2026-11-23T09:00:02.000000Z",
                    "finished_at": None,
                    "expires_at": "2026-11-24T09:00:00.000000Z",
                    "results_expire_at": None,
                    "links": {
                        "self": f"/api/v1/jobs/{_JOB}",
                        "events": f"/api/v1/jobs/{_JOB}/events",
                        "results": f"/api/v1/jobs/{_JOB}/results",
                        "cancel": f"/api/v1/jobs/{_JOB}/cancel",
                    },
                }
            ]
        },
    )

    object: Literal["job"]
    id: str
    status: Status
    terminal: bool = Field(description="Whether the job never changes again.")
    version: int = Field(ge=1, description="Goes up by one with every change, and never back.")
    progress: ProgressDocument
    error: ErrorDocument | None = Field(description="Why the job as a whole failed.")
    metadata: dict[str, str]
    provider: str
    endpoint: str
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    updated_at: str = Field(json_schema_extra={"format": "date-time"})
    started_at: str | None
    finished_at: str | None
    expires_at: str | None = Field(description="The job's or the provider's deadline, whichever is sooner.")
    results_expire_at: str | None
    links: LinksDocument


class RequestDocument(BaseModel):
    """One request of a batch; `body` goes to the provider as it is."""

    model_config = ConfigDict(title="Request", extra="forbid")

    custom_id: str = Field(min_length=1, max_length=512, description="Unique in the job.")
    body: dict[str, Any]


class SubmissionDocument(BaseModel):
    """A batch to be run."""

    model_config = ConfigDict(
        title="Submission",
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "requests": [
                        {
                            "custom_id": "film-1",
                            "body": {
                                "model": "gpt-4o-mini",
                                "messages": [{"role": "user", "content": "The genre of Alien, in one word?"}],
                            },
                        }
                    ],
                    "endpoint": "/v1/chat/completions",
                    "metadata": {"team": "films", "simulator": "queued 0.2s, in_progress 2s @50%, succeeded"},
                    "expires_in": 3600,
                }
            ]
        },
    )

    requests: list[RequestDocument] = Field(min_length=1, max_length=50_000)
    endpoint: str = Field(default="/v1/chat/completions", description="One that the provider's batches know.")
    metadata: dict[str, str] = Field(
        default_factory=dict,
        description="Up to 15 strings, keys to 64 and values to 512 characters. `simulator` is the script of a "
        'simulated batch: steps divided by commas, each `status [duration "s"] ["@" percent "%"] ["fail=" n]`.',
    )
    expires_in: float | None = Field(default=None, gt=0, description="The job's own deadline, in seconds.")


class ResultDocument(BaseModel):
    """What became of one request."""

    model_config = ConfigDict(title="Result")

    index: int = Field(ge=0, description="Its place in the order of submission.")
    custom_id: str
    outcome: Outcome
    response: dict[str, Any] | None = Field(description="`status_code` and `body`, as the provider sent them.")
    error: ErrorDocument | None


class ResultListDocument(BaseModel):
    """One page of results, in the order of submission."""

    model_config = ConfigDict(title="ResultList")

    object: Literal["list"]
    data: list[ResultDocument]
    has_more: bool
    next_cursor: str | None = Field(description="`after` of the next page.")


class FieldErrorDocument(BaseModel):
    """One broken rule."""

    pointer: str = Field(description="A JSON Pointer into the body, `line N` of a line format, or `?name`.")
    message: str


class ProblemDocument(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(description="An absolute path on this service, to a page about the code.")
    title: str
    status: int
    detail: str
    instance: str
    code: str = Field(description="Stable, for programs.")
    correlation_id: str
    retry_after: int | None = Field(default=None, description="Seconds; with every 503.")
    errors: list[FieldErrorDocument] | None = None


def _header(description: str, example: str | int) -> dict[str, Any]:
    kind = "integer" if isinstance(example, int) else "string"
    return {"description": description, "schema": {"type": kind}, "example": example}


HEADERS: dict[str, dict[str, Any]] = {
    "ETag": _header("Weak and ordered: the version, and a hash of its form.", _TAG),
    "Last-Modified": _header("`updated_at` in whole seconds.", "Mon, 23 Nov 2026 09:00:12 GMT"),
    "Cache-Control": _header("`no-store` where a wait was asked for.", "private, max-age=30"),
    "Vary": _header("What else the answer depends on.", "Accept, Accept-Encoding, Authorization, Prefer"),
    "X-Poll-Interval": _header("Seconds until asking again is worth it; not on finished jobs.", 30),
    "X-Correlation-ID": _header("The request's own where it sent a well-formed one; in every log line.", "6f1c…"),
    "X-API-Version": _header("The version of the API that answered.", API_VERSION),
    "Preference-Applied": _header("The wait that was granted, where one was asked for.", "wait=30"),
    "Location": _header("The job's path.", f"/api/v1/jobs/{_JOB}"),
    "Retry-After": _header("Seconds.", 1),
    "Link": _header("The next page.", f'</api/v1/jobs/{_JOB}/results?after=99&limit=100>; rel="next"'),
    "Allow": _header("The methods there are.", "GET, HEAD"),
}
_ALWAYS = ("X-Correlation-ID", "X-API-Version")
_STATE = ("ETag", "Cache-Control", "Vary", "X-Poll-Interval", "Preference-Applied")


def described(description: str, *headers: str, **content: Any) -> dict[str, Any]:
    """One answer of an operation: what it means, its headers beyond the usual, and its content."""
    return {"description": description, "headers": {name: HEADERS[name] for name in (*headers, *_ALWAYS)}, **content}


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The refusals of an operation, by status, each with an example for every code that it may carry."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        status = KINDS[code].status
        answer = by_status.setdefault(
            status.value,
            described(
                status.phrase,
                *(("Retry-After",) if status in {409, 503} else ()),
                *(("Allow",) if status == 405 else ()),  # noqa: PLR2004
                content={
                    "application/problem+json": {
                        "schema": {"$ref": "#/components/schemas/Problem"},
                        "examples": {},
                    }
                },
            ),
        )
        answer["content"]["application/problem+json"]["examples"][code] = {
            "summary": KINDS[code].explanation.split(".")[0],
            "value": {
                "type": f"/problems/{code}",
                "title": title_of(code),
                "status": status.value,
                "detail": KINDS[code].explanation.split(". ")[0],
                "instance": "/api/v1/jobs",
                "code": code,
                "correlation_id": "6f1c0a7be2d94c3b8a5d1e0f7c6b5a49",
            },
        }
    return by_status


READ_STATUS = {
    200: described("The job.", "Last-Modified", *_STATE),
    304: described("The job is as the caller's validator says.", *_STATE),
    **problems("bad_request", "job_not_found", "invalid_request", "unavailable", "internal"),
}
SUBMIT = {
    202: described("Stored. It will be run whatever happens to this process.", "Location", "Retry-After", *_STATE),
    200: described("The job has ended within the wait that was asked for.", "Location", *_STATE, model=JobDocument),
    **problems(
        "bad_request",
        "body_cut",
        "malformed_json",
        "anonymous_submit_disabled",
        "body_too_large",
        "unsupported_media_type",
        "invalid_request",
        "unknown_field",
        "empty_batch",
        "too_many_requests_in_batch",
        "duplicate_custom_id",
        "unknown_endpoint",
        "different_endpoints",
        "nested_too_deeply",
        "null_character",
        "bad_script",
        "script_without_simulator",
        "unavailable",
        "internal",
    ),
}
EVENTS = {
    200: described(
        "A stream that ends after the job's last version.",
        "Cache-Control",
        "Vary",
        content={
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'retry: 2310\nid: 4\nevent: job\ndata: {"object":"job","version":4,…}\n\n:\n\n',
            }
        },
    ),
    204: described("The reader has seen the end; an EventSource stops for good.", "Cache-Control", "Vary"),
    **problems("bad_request", "job_not_found", "unavailable", "draining", "internal"),
}
RESULTS = {
    200: described("A page of results.", "Link", "Cache-Control", "Vary"),
    **problems("job_not_found", "results_not_ready", "results_expired", "invalid_request", "unavailable", "internal"),
}
SUBMISSION_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Submission"}},
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"object":"job.options","metadata":{"team":"films"}}\n'
                '{"custom_id":"film-1","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o-mini"}}\n',
            },
        },
    }
}
# Models that no operation names by itself, because its body is read as a stream.
EXTRA_SCHEMAS = (ProblemDocument, SubmissionDocument)
