"""How the OpenAPI document describes an answer: its headers, the problems it may carry, an example of each."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from polling_api.api.answers import VARY
from polling_api.api.codes import KINDS
from polling_api.api.problems import PROBLEM_TYPE, title_of
from polling_api.api.shapes import EXAMPLE_ID
from polling_api.representation import API_VERSION

CORRELATION_ID = "X-Correlation-ID"
_TAG = 'W/"4-6a1f0c2b9d3e5f78"'
_SOME_ID = "6f1c0a7be2d94c3b8a5d1e0f7c6b5a49"
# Problems that say when to ask again.
_MAY_PASS = frozenset({"results_not_ready", "idempotency_in_progress"})
# Problems that say which credentials would do.
_CHALLENGES = {
    "invalid_token": ("WWW-Authenticate",),
    "invalid_signature": ("WWW-Authenticate", "Accept-Signature"),
    "insufficient_scope": ("WWW-Authenticate",),
    "unsupported_media_type": ("Accept-Encoding",),
}
_ALWAYS_MAY_PASS = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_DATE = "^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT$"

Responses = dict[int | str, dict[str, Any]]


def _header(description: str, example: str | int, *, always: bool = True, **schema: str | int) -> dict[str, Any]:
    kind = "integer" if isinstance(example, int) else "string"
    return {"description": description, "required": always, "schema": {"type": kind, **schema}, "example": example}


# By name, as an answer refers to them. Those that are not always there say when they are.
HEADERS: dict[str, dict[str, Any]] = {
    "ETag": _header(
        "Of a job weak and ordered: the version, and a hash of its form. Of results strong, one for each coding.",
        _TAG,
        pattern='^(W/"([0-9]{1,9}-[0-9a-f]{16}|[0-9a-f]{32})"|"[0-9a-f]{32}(-gzip|-zstd)?")$',
    ),
    "Last-Modified": _header("`updated_at` in whole seconds.", "Mon, 23 Nov 2026 09:00:12 GMT", pattern=_DATE),
    "Cache-Control": _header(
        "`no-store` where a wait was asked for.",
        "private, max-age=30",
        pattern="^(no-store|private, (max-age=[0-9]+|no-cache))$",
    ),
    "Vary": _header("What else the answer depends on.", VARY[1].decode()),
    "X-Poll-Interval": _header(
        "Seconds until asking again is worth it; not on finished jobs.", 30, always=False, minimum=1, maximum=300
    ),
    CORRELATION_ID: _header(
        "The request's own where it sent a well-formed one; in every log line.",
        _SOME_ID,
        pattern="^[A-Za-z0-9._:/+=@-]{1,128}$",
    ),
    "X-API-Version": _header("The version of the API that answered.", API_VERSION, format="date"),
    "Preference-Applied": _header(
        "The wait that was granted, where one was asked for.", "wait=30", always=False, pattern="^wait=[0-9]{1,2}$"
    ),
    "Location": _header("The job's path.", f"/api/v1/jobs/{EXAMPLE_ID}", format="uri-reference"),
    "Retry-After": _header(
        "Seconds; where asking again may have another answer, as always with a 503.", 1, always=False, minimum=1
    ),
    "Idempotent-Replayed": _header(
        "`true` where the job had been stored before, under the same key.", "true", always=False, pattern="^true$"
    ),
    "Link": _header(
        "The next page, where there is one (RFC 8288).",
        f'</api/v1/jobs/{EXAMPLE_ID}/results?after=99&limit=100>; rel="next"',
        always=False,
    ),
    "Age": _header(
        "Seconds since the state was last confirmed (RFC 9111), where the database cannot be asked now.",
        12,
        always=False,
        minimum=0,
    ),
    "X-Served-From": _header(
        "`snapshot` where the database cannot be asked now, and the state is what was known before.",
        "snapshot",
        always=False,
        pattern="^snapshot$",
    ),
    "X-State-Observed": _header(
        "When the provider last confirmed the state (RFC 3339, as all times here), where it does not answer now.",
        "2026-11-23T09:00:12.000000Z",
        always=False,
        format="date-time",
    ),
    "X-RateLimit-Limit": _header("The figure of the limit of which the smallest share is left.", 60, minimum=1),
    "X-RateLimit-Remaining": _header("How many requests are left of it.", 59, minimum=0),
    "X-RateLimit-Reset": _header(
        "When all of it is free again, if nothing is asked until then: seconds since 1970 (UTC).",
        1_795_510_800,
        minimum=0,
    ),
    "Allow": _header("The methods there are.", "GET, HEAD, OPTIONS"),
    "WWW-Authenticate": _header(
        "Which credentials would do, and what is wrong with those that were sent (RFC 9110, RFC 6750).",
        'Bearer realm="polling-api", error="invalid_token"',
        always=False,
    ),
    "Accept-Encoding": _header(
        "`identity`, where the body was compressed: that is what is read (RFC 9110, section 12.5.3).",
        "identity",
        always=False,
    ),
    "Accept-Signature": _header(
        "What a signature has to cover, where one is missing or wrong (RFC 9421, section 5).",
        'sig1=("@method" "@authority" "@path" "@query");created;alg="hmac-sha256";nonce="…"',
        always=False,
    ),
}
LIMITS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
# Refused where it is not known what was asked, or where there is no room; none of it is counted.
_UNLIMITED = frozenset(
    {
        "bad_request",
        "request_timeout",
        "target_too_long",
        "headers_too_large",
        "not_implemented",
        "version_not_supported",
        "overloaded",
    }
)
_ALWAYS = (CORRELATION_ID, "X-API-Version")
_PROBLEM = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}


def described(description: str, *headers: str, **content: Any) -> dict[str, Any]:
    """One answer of an operation: what it means, its headers beyond the usual, and its content."""
    told = {name: {"$ref": f"#/components/headers/{name}"} for name in (*headers, *_ALWAYS)}
    return {"description": description, "headers": told, **content}


def limited(answer: dict[str, Any], codes: Sequence[str]) -> dict[str, Any]:
    """An answer below `/api/`, which says what is left, unless it is of those that may not."""
    always = {name: {"$ref": f"#/components/headers/{name}"} for name in LIMITS}
    often = {name: {**HEADERS[name], "required": False} for name in LIMITS}
    told = _UNLIMITED.isdisjoint(codes) and "text/event-stream" not in answer.get("content", {})  # has any refusal
    return {**answer, "headers": {**answer["headers"], **(always if told else often)}}


def problems(*codes: str) -> Responses:
    """The refusals of an operation, by status, each with an example for every code that it may carry."""
    by_status: dict[HTTPStatus, list[str]] = {}
    for code in codes:
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {status.value: refusal(status, told) for status, told in by_status.items()}


def refusal(status: HTTPStatus, codes: Sequence[str]) -> dict[str, Any]:
    """The answer that carries one of these codes, which all have this status."""
    again = ("Retry-After",) if any(map(_may_pass, codes)) else ()
    allow = ("Allow",) if status is HTTPStatus.METHOD_NOT_ALLOWED else ()
    challenges = tuple(dict.fromkeys(name for code in codes for name in _CHALLENGES.get(code, ())))
    examples = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
    content = {PROBLEM_TYPE.decode(): {**_PROBLEM, "examples": examples}}
    return described(status.phrase, "Cache-Control", "Vary", *again, *allow, *challenges, content=content)


def example_of(code: str) -> dict[str, Any]:
    """An example of a problem with this code."""
    kind = KINDS[code]
    value: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": title_of(code),
        "status": kind.status.value,
        "detail": kind.explanation.split(". ")[0],
        "instance": "/api/v1/jobs",
        "code": code,
        "correlation_id": _SOME_ID,
    }
    if _may_pass(code):
        value["retry_after"] = 1
    return {"summary": kind.explanation.split(".")[0], "value": value}


def _may_pass(code: str) -> bool:
    return code in _MAY_PASS or KINDS[code].status in _ALWAYS_MAY_PASS
