"""Errors as the caller sees them: problem details (RFC 9457). The one place that knows HTTP statuses."""

from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.types import Scope

from polling_api.api.answers import NO_STORE, VARY, Answer
from polling_api.api.event_stream import refusal
from polling_api.api.requests import IDS, RequestIds
from polling_api.errors import (
    BadRequest,
    Changed,
    Conflict,
    Gone,
    HeadTooLarge,
    Invalid,
    Misdirected,
    NotAcceptable,
    NotFound,
    PollingError,
    Refused,
    TargetTooLong,
    TooLarge,
    TooMany,
    TooSlow,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    UnknownVersion,
    Unsupported,
)
from polling_api.representation import Headers

PROBLEM_TYPE = b"application/problem+json"
PROBLEM = "polling.problem"  # of the scope: the code of the problem that answers it
OUTCOME = "polling.outcome"  # and its status, which is not always that of the answer
EVENTS = "/events"  # how the path of every event stream ends
REFUSALS, STREAM = b"refusals", b"stream"  # the parameter by which an EventSource asks to be refused in a stream

# What giving up would be wrong about.
_MAY_PASS = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})

_STATUSES: dict[type[PollingError], HTTPStatus] = {
    BadRequest: HTTPStatus.BAD_REQUEST,
    Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Changed: HTTPStatus.PRECONDITION_FAILED,
    Gone: HTTPStatus.GONE,
    Refused: HTTPStatus.FORBIDDEN,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Unsupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    Misdirected: HTTPStatus.MISDIRECTED_REQUEST,
    TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    TargetTooLong: HTTPStatus.REQUEST_URI_TOO_LONG,
    HeadTooLarge: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    Unimplemented: HTTPStatus.NOT_IMPLEMENTED,
    UnknownVersion: HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    PollingError: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def status_of(error: PollingError) -> HTTPStatus:
    """The status that tells `error`: that of the nearest class in its tree."""
    return next(_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES)


def problem(error: PollingError, scope: Scope, *, status: int | None = None, headers: Headers = []) -> Answer:  # noqa: B006
    """The answer that tells `error`: on an event stream that asks for it, one that an EventSource survives.

    Args:
        error: what went wrong.
        scope: the request it happened to.
        status: another status than the error's own, for what the framework refuses.
        headers: further headers, as `Allow`.
    """
    status = status or status_of(error)
    scope[PROBLEM], scope[OUTCOME] = error.code, int(status)
    if status in _MAY_PASS and _asks_for_stream(scope):
        return refusal(problem_document(error, scope, status=status), error.retry_after)
    described: Headers = [(b"content-type", PROBLEM_TYPE), NO_STORE, VARY, *headers, *error.challenges]
    if error.retry_after is not None:
        described.append((b"retry-after", b"%d" % error.retry_after))
    body = orjson.dumps(problem_document(error, scope, status=status))
    return Answer(status, [*described, (b"content-length", b"%d" % len(body))], body)


def _asks_for_stream(scope: Scope) -> bool:
    return scope["path"].endswith(EVENTS) and (REFUSALS, STREAM) in parse_qsl(scope["query_string"])


def problem_document(
    error: PollingError, scope: Scope, *, status: int | None = None, instance: str | None = None
) -> dict[str, Any]:
    """The problem details of `error` (RFC 9457, section 3).

    Args:
        error: what went wrong.
        scope: the request it happened to.
        status: another status than the error's own.
        instance: the path of what it happened to, where that is not the request's.
    """
    ids: RequestIds | None = scope.get(IDS)
    document: dict[str, Any] = {
        "type": f"/problems/{error.code}",
        "title": title_of(error.code),
        "status": status or status_of(error),
        "detail": error.detail,
        "instance": instance or scope["path"],
        "code": error.code,
        "correlation_id": ids and ids.correlation,
    }
    if error.errors:
        document["errors"] = [{"pointer": one.pointer, "message": one.message} for one in error.errors]
    if error.retry_after is not None:
        document["retry_after"] = error.retry_after
    return document


def title_of(code: str) -> str:
    """A code as words: the same for every occurrence, as RFC 9457 asks."""
    return code.replace("_", " ").capitalize()
