"""What the OpenAPI document says of the answers of each operation."""

from collections.abc import Sequence
from typing import Any

from polling_api.api.described import Responses, described, problems
from polling_api.api.shapes import JobDocument

_STATE = ("ETag", "Cache-Control", "Vary", "X-Poll-Interval", "Preference-Applied")
_SUBMITTED = ("Location", "Idempotent-Replayed", "Last-Modified", *_STATE)

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


def _health(statuses: Sequence[str], example: dict[str, Any], **properties: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["status", *properties],
        "properties": {"status": {"enum": statuses}, **properties},
    }
    return {"application/json": {"schema": schema, "example": example}}


_PART = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"enum": ["ok", "down"]}, "reason": {"type": "string"}},
}
_PARTS = {"type": "object", "additionalProperties": _PART}


def _readiness(*statuses: str) -> dict[str, Any]:
    parts = {"postgres": {"status": "ok"}, "redis": {"status": "down", "reason": "no answer within 1 s"}}
    return _health(statuses, {"status": statuses[-1], "parts": parts}, parts=_PARTS)


LIVE: Responses = {200: described("Alive.", "Cache-Control", content=_health(["live"], {"status": "live"}))}
READY: Responses = {
    200: described(
        "`ready`, or `degraded`: it goes on without a part, slower.",
        "Cache-Control",
        content=_readiness("ready", "degraded"),
    ),
    503: described(
        "`draining`, or `unavailable`: ask another process.",
        "Cache-Control",
        content=_readiness("draining", "unavailable"),
    ),
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
