"""The shapes of requests and answers, for the OpenAPI document and the people who read it.

Answers are not built from these: they are rendered once a version, as bytes. A test holds the two together.
"""

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from polling_api.domain.fields import JOB, MOST_FIELDS, Shape
from polling_api.domain.job import JOB_ID, Outcome, Status

EXAMPLE_ID = "job_0b5c1e0e3a7f4a52b1d95f0c6a3e8d21"
ID_PATTERN = f"^{JOB_ID.pattern}$"
FIELD_PATTERN = f"^({JOB.field.pattern})$"
IDS_PATTERN = f"^{JOB_ID.pattern}(,{JOB_ID.pattern}){{0,99}}$"


def fields_pattern(shape: Shape) -> str:
    """What a list of fields looks like."""
    name = shape.field.pattern
    return f"^({name})(,({name})){{0,{MOST_FIELDS - 1}}}$"


JobId = Annotated[
    str,
    # The pattern is told, and not held to: what is no id is answered as an id that was never given out.
    Path(
        description="The job's id: `job_` and 32 hexadecimal digits.",
        examples=[EXAMPLE_ID],
        json_schema_extra={"pattern": ID_PATTERN},
    ),
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
                    "id": EXAMPLE_ID,
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
                        "self": f"/api/v1/jobs/{EXAMPLE_ID}",
                        "events": f"/api/v1/jobs/{EXAMPLE_ID}/events",
                        "results": f"/api/v1/jobs/{EXAMPLE_ID}/results",
                        "cancel": f"/api/v1/jobs/{EXAMPLE_ID}/cancel",
                    },
                }
            ]
        },
    )

    object: Literal["job"]
    id: str = Field(json_schema_extra={"pattern": ID_PATTERN})
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


class PartialJobDocument(BaseModel):
    """Those members of a job that `fields` named."""

    model_config = ConfigDict(title="PartialJob", extra="allow")


class PartialDocument(BaseModel):
    """Those members of something else that `fields` named."""

    model_config = ConfigDict(title="Partial", extra="allow")


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
    data: list[ResultDocument | PartialDocument]
    has_more: bool
    next_cursor: str | None = Field(description="`after` of the next page.")


class JobListDocument(BaseModel):
    """A page of jobs, the newest first."""

    model_config = ConfigDict(title="JobList")

    object: Literal["list"]
    data: list[JobDocument | PartialJobDocument]
    has_more: bool
    next_cursor: str | None


class HistoryEntryDocument(BaseModel):
    """One version of a job, as it was."""

    model_config = ConfigDict(title="HistoryEntry")

    version: int = Field(ge=1)
    status: Status
    progress: ProgressDocument
    at: str = Field(description="When it was made.", json_schema_extra={"format": "date-time"})


class HistoryDocument(BaseModel):
    """One page of versions, in their order."""

    model_config = ConfigDict(title="History")

    object: Literal["list"]
    data: list[HistoryEntryDocument | PartialDocument]
    has_more: bool
    next_cursor: str | None = Field(description="`cursor` of the next page; good for this job alone.")


class AuditDocument(BaseModel):
    """Something that was done to a client's jobs, keys or tokens, or was refused to it."""

    model_config = ConfigDict(
        title="Audit",
        json_schema_extra={
            "examples": [
                {
                    "object": "audit",
                    "id": "aud_5e8d4f1c0b7a49e6a3d2c1b0f9e8d7c6",
                    "at": "2026-11-23T09:00:12.345678Z",
                    "client_id": "client_films",
                    "actor": "key:key_2026",
                    "action": "results.read",
                    "job_id": EXAMPLE_ID,
                    "address": "203.0.113.7",
                    "outcome": "allowed",
                    "count": 1,
                    "correlation_id": "film-night-7",
                    "request_id": "6f1c0a7be2d94c3b8a5d1e0f7c6b5a49",
                }
            ]
        },
    )

    object: Literal["audit"]
    id: str
    at: str = Field(
        description="When it was recorded; of refusals, when their minute began.",
        json_schema_extra={"format": "date-time"},
    )
    client_id: str | None = Field(description="Whose job, key or token it was about.")
    actor: str = Field(description="Who did it: `key:<id>`, `token:<id>`, `anonymous`, `operator`, or `others`.")
    action: str = Field(description="As `results.read`, `token.create`, or `refused.` and what was asked for.")
    job_id: str | None
    address: str | None = Field(description="Where it came from; null if from several addresses.")
    outcome: str = Field(description="`allowed`, or the code of the problem that was told.")
    count: int = Field(ge=1, description="Refusals are summed by the minute: how many there were.")
    correlation_id: str | None = Field(description="The caller's own, if it sent one; not of refusals.")
    request_id: str | None = Field(description="Ours, as it stands in the log lines of the request.")


class AuditListDocument(BaseModel):
    """One page of a client's audit log, newest first."""

    model_config = ConfigDict(title="AuditList")

    object: Literal["list"]
    data: list[AuditDocument | PartialDocument]
    has_more: bool
    next_cursor: str | None = Field(description="`cursor` of the next page; good for this client alone.")


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
