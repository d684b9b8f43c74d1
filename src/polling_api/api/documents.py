"""What the OpenAPI document says of answers: their headers, their codes, an example of each."""

from typing import Any

from polling_api.api.codes import KINDS
from polling_api.api.problems import title_of
from polling_api.api.shapes import EXAMPLE_ID, JobDocument
from polling_api.representation import API_VERSION

_TAG = 'W/"4-6a1f0c2b9d3e5f78"'

Responses = dict[int | str, dict[str, Any]]


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
    "Location": _header("The job's path.", f"/api/v1/jobs/{EXAMPLE_ID}"),
    "Retry-After": _header("Seconds.", 1),
    "Idempotent-Replayed": _header("`true` where the job had been stored before, under the same key.", "true"),
    "Link": _header("The next page.", f'</api/v1/jobs/{EXAMPLE_ID}/results?after=99&limit=100>; rel="next"'),
    "Allow": _header("The methods there are.", "GET, HEAD"),
}
_MAY_PASS = frozenset({409, 503})  # statuses whose problems say when to ask again
_ALWAYS = ("X-Correlation-ID", "X-API-Version")
_STATE = ("ETag", "Cache-Control", "Vary", "X-Poll-Interval", "Preference-Applied")
_SUBMITTED = ("Location", "Idempotent-Replayed", "Last-Modified", *_STATE)


def described(description: str, *headers: str, **content: Any) -> dict[str, Any]:
    """One answer of an operation: what it means, its headers beyond the usual, and its content."""
    return {"description": description, "headers": {name: HEADERS[name] for name in (*headers, *_ALWAYS)}, **content}


def problems(*codes: str) -> Responses:
    """The refusals of an operation, by status, each with an example for every code that it may carry."""
    by_status: Responses = {}
    for code in codes:
        status = KINDS[code].status
        answer = by_status.setdefault(
            status.value,
            described(
                status.phrase,
                "Cache-Control",
                "Vary",
                *(("Retry-After",) if status in _MAY_PASS else ()),
                *(("Allow",) if status == 405 else ()),  # noqa: PLR2004
                content={
                    "application/problem+json": {
                        "schema": {"$ref": "#/components/schemas/ProblemDocument"},
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
                **({"retry_after": 1} if status in _MAY_PASS else {}),
            },
        }
    return by_status


READ_STATUS: Responses = {
    200: described("The job.", "Last-Modified", *_STATE),
    304: described("The job is as the caller's validator says.", *_STATE),
    **problems("bad_request", "job_not_found", "invalid_request", "unavailable", "internal"),
}
SUBMIT: Responses = {
    202: described("Stored. It will be run whatever happens to this process.", "Retry-After", *_SUBMITTED),
    200: described(
        "The job has ended: within the wait that was asked for, or before the submit was repeated.",
        *_SUBMITTED,
        model=JobDocument,
    ),
    **problems(
        "bad_request",
        "bad_idempotency_key",
        "body_cut",
        "malformed_json",
        "anonymous_submit_disabled",
        "idempotency_in_progress",
        "body_too_large",
        "unsupported_media_type",
        "idempotency_key_reused",
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
EVENTS: Responses = {
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
MANY_EVENTS: Responses = {
    200: described(
        "A stream that ends after the last version of the last job.",
        "Cache-Control",
        "Vary",
        content={
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'retry: 2310\nid: WzQsMV0.3fJk…\nevent: job\ndata: {"object":"job","version":4,…}\n\n'
                'id: WzQsLTFd.Zk9b…\nevent: problem\ndata: {"type":"/problems/job_not_found","id":"job_…",…}\n\n',
            }
        },
    ),
    204: described("The reader has seen the end of all jobs; an EventSource stops for good.", "Cache-Control", "Vary"),
    **problems("bad_request", "job_not_found", "invalid_request", "unavailable", "draining", "internal"),
}
LIST: Responses = {
    200: described("A page of jobs.", "ETag", "Link", "Cache-Control", "Vary"),
    304: described("The page is as the caller's validator says.", "ETag", "Cache-Control", "Vary"),
    **problems("bad_cursor", "invalid_request", "unavailable", "internal"),
}
CLIENT_EVENTS: Responses = {
    200: described(
        "A stream that has no end.",
        "Cache-Control",
        "Vary",
        content={
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'retry: 2310\nid: WzEsNDcwLDBd.3fJk…\nevent: job\ndata: {"object":"job",…}\n\n',
            }
        },
    ),
    **problems("bad_request", "unavailable", "draining", "internal"),
}
CANCEL: Responses = {
    202: described(
        "The job as it is now: `cancelling`, or `cancelled`.",
        "Retry-After",
        "Last-Modified",
        "ETag",
        "Cache-Control",
        "Vary",
        "X-Poll-Interval",
    ),
    **problems("job_not_found", "job_finished", "unavailable", "internal"),
}
DELETE: Responses = {
    204: described("It is gone, with its requests, results and history.", "Cache-Control", "Vary"),
    **problems("job_not_found", "job_unfinished", "unavailable", "internal"),
}
HISTORY: Responses = {
    200: described("A page of versions, in order.", "Link", "Cache-Control", "Vary"),
    **problems("bad_cursor", "job_not_found", "invalid_request", "unavailable", "internal"),
}
RESULTS: Responses = {
    200: described("A page of results.", "Link", "Cache-Control", "Vary"),
    **problems("job_not_found", "results_not_ready", "results_expired", "invalid_request", "unavailable", "internal"),
}
_HEALTH = {"application/json": {"schema": {"type": "object"}, "example": {"status": "live"}}}
_PARTS = {
    "application/json": {
        "schema": {"type": "object"},
        "example": {"status": "degraded", "parts": {"postgres": {"status": "ok"}, "redis": {"status": "down"}}},
    }
}
LIVE: Responses = {200: described("Alive.", "Cache-Control", content=_HEALTH)}
READY: Responses = {
    200: described("`ready`, or `degraded`: it goes on without a part, slower.", "Cache-Control", content=_PARTS),
    503: described("`draining`, or `unavailable`: ask another process.", "Cache-Control", content=_PARTS),
}
METRICS: Responses = {
    200: described(
        "OpenMetrics, where `Accept` asks for it, or Prometheus' older text format.",
        "Cache-Control",
        content={name: {"schema": {"type": "string"}} for name in ("text/plain", "application/openmetrics-text")},
    )
}
PAGE: Responses = {200: described("A page to read.", content={"text/html": {"schema": {"type": "string"}}})}
SUBMISSION_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/SubmissionDocument"}},
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"object":"job.options","metadata":{"team":"films"}}\n'
                '{"custom_id":"film-1","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o-mini"}}\n',
            },
        },
    }
}
