"""What the OpenAPI document says of the answers of each operation."""

from collections.abc import Sequence
from typing import Any

from polling_api.api.described import Responses, described, problems
from polling_api.api.submission_shapes import SubmittedJobDocument

_STATE = ("ETag", "Cache-Control", "Vary", "X-Poll-Interval", "Preference-Applied")
_KEPT = ("Age", "X-Served-From")
_REMARKED = (*_KEPT, "X-State-Observed")
_HELD = ("too_many_streams", "overloaded")
_SUBMITTED = ("Location", "Idempotent-Replayed", "Last-Modified", *_STATE, *_REMARKED)

READ_STATUS: Responses = {
    200: described("The job.", "Last-Modified", *_STATE, *_REMARKED),
    304: described("The job is as the caller's validator says.", *_STATE, *_REMARKED),
    **problems("bad_request", "job_not_found", "invalid_request", *_HELD, "unavailable", "internal"),
}
SUBMIT: Responses = {
    202: described("Stored. It will be run whatever happens to this process.", "Retry-After", *_SUBMITTED),
    200: described(
        "The job has ended: within the wait that was asked for, or before the submit was repeated.",
        *_SUBMITTED,
        model=SubmittedJobDocument,
    ),
    **problems(
        "bad_request",
        "bad_idempotency_key",
        "body_cut",
        "malformed_json",
        "anonymous_submit_disabled",
        "anonymous_webhooks_disabled",
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
        "too_many_jobs",
        "too_many_uploads",
        "overloaded",
        "unavailable",
        "internal",
    ),
}


def _event(kind: str, version: dict[str, Any], *of: str) -> dict[str, Any]:
    """One event of a stream, as a reader is given it; `data` is JSON."""
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"anyOf": [{"$ref": one} for one in of]},
    }
    return {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"const": kind},
            "id": {"type": "string", **version},
            "data": data,
            "retry": {"type": "integer", "description": "Milliseconds; with the first event."},
        },
    }


def _stream(example: str, *, version: dict[str, Any]) -> dict[str, Any]:
    schemas = "#/components/schemas"
    job = _event("job", version, f"{schemas}/JobDocument", f"{schemas}/PartialJobDocument")
    problem = _event("problem", version, f"{schemas}/ProblemDocument")
    # `itemSchema` is of OpenAPI 3.2, as FastAPI writes it too: what reads 3.1 alone passes over it.
    return {"text/event-stream": {"itemSchema": {"oneOf": [job, problem]}, "example": example}}


EVENTS: Responses = {
    200: described(
        "A stream that ends after the job's last version, or with a problem if the job is deleted.",
        "Cache-Control",
        "Vary",
        *_KEPT,
        content=_stream(
            'retry: 2310\nid: 4\nevent: job\ndata: {"object":"job","version":4,…}\n\n:\n\n',
            version={"pattern": "^[0-9]+$", "description": "The job's version."},
        ),
    ),
    204: described("The reader has seen the end; an EventSource stops for good.", "Cache-Control", "Vary", *_KEPT),
    **problems("bad_request", "job_not_found", "invalid_request", *_HELD, "unavailable", "draining", "internal"),
}
MANY_EVENTS: Responses = {
    200: described(
        "A stream that ends after the last version of the last job.",
        "Cache-Control",
        "Vary",
        *_KEPT,
        content=_stream(
            'retry: 2310\nid: WzQsMV0.3fJk…\nevent: job\ndata: {"object":"job","version":4,…}\n\n'
            'id: WzQsLTFd.Zk9b…\nevent: problem\ndata: {"type":"/problems/job_not_found","id":"job_…",…}\n\n',
            version={"description": "A cursor: what has been seen of all jobs."},
        ),
    ),
    204: described(
        "The reader has seen the end of all jobs; an EventSource stops for good.", "Cache-Control", "Vary", *_KEPT
    ),
    **problems("bad_request", "job_not_found", "invalid_request", *_HELD, "unavailable", "draining", "internal"),
}
BATCH_GET: Responses = {
    200: described("What became of each job, in the order asked.", "Cache-Control", "Vary", *_KEPT),
    **problems(
        "bad_request",
        "body_cut",
        "malformed_json",
        "body_too_large",
        "unsupported_media_type",
        "invalid_request",
        *_HELD,
        "unavailable",
        "internal",
    ),
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
    200: described(
        "A page of results; or all of them, a result a line.",
        "Link",
        "ETag",
        "Cache-Control",
        "Vary",
        content={
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"index":0,"custom_id":"film-1","outcome":"completed","response":{…},"error":null}\n'
                '{"object":"results.end","count":1}\n',
            }
        },
    ),
    304: described("The caller has them already.", "ETag", "Cache-Control", "Vary"),
    **problems(
        *("job_not_found", "results_not_ready", "results_expired", "precondition_failed", "invalid_request"),
        *(*_HELD, "draining", "unavailable", "internal"),
    ),
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


_CIRCUITS = {
    "type": "object",
    "additionalProperties": {"enum": ["closed", "half-open", "open"]},
    "description": "Circuit breakers by what they guard; while one is open, what needs it is refused at once.",
}


def _readiness(*statuses: str) -> dict[str, Any]:
    parts = {"postgres": {"status": "ok"}, "redis": {"status": "down", "reason": "no answer within 1 s"}}
    example = {"status": statuses[-1], "parts": parts, "circuits": {"postgres": "closed", "nonces": "open"}}
    return _health(statuses, example, parts=_PARTS, circuits=_CIRCUITS)


def _ready(*statuses: str) -> dict[str, Any]:
    content = _readiness(*statuses)
    schema = content["application/json"]["schema"]
    schema["properties"]["warnings"] = {"type": "array", "items": {"type": "string"}}
    return content


LIVE: Responses = {200: described("Alive.", "Cache-Control", "Vary", content=_health(["live"], {"status": "live"}))}
READY: Responses = {
    200: described(
        "`ready`, or `degraded`: it goes on without a part, slower.",
        "Cache-Control",
        "Vary",
        content=_ready("ready", "degraded"),
    ),
    503: described(
        "`draining`, or `unavailable`: ask another process.",
        "Cache-Control",
        "Vary",
        content=_readiness("draining", "unavailable"),
    ),
}
METRICS: Responses = {
    200: described(
        "OpenMetrics, where `Accept` asks for it, or Prometheus' older text format.",
        "Cache-Control",
        "Vary",
        content={name: {"schema": {"type": "string"}} for name in ("text/plain", "application/openmetrics-text")},
    )
}
PAGE: Responses = {200: described("A page to read.", "Vary", content={"text/html": {"schema": {"type": "string"}}})}
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
BATCH_GET_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/BatchGetDocument"}}},
    }
}
