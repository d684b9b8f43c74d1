"""Event streams as bytes (WHATWG HTML, section 9.2): their headers, and what in them is about no job."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sse_starlette import EventSourceResponse
from starlette.types import Message, Scope

from polling_api.api.answers import VARY, Answer
from polling_api.api.header_lines import KeptHeaders
from polling_api.representation import Headers

COMMENT = b":\n\n"
RETRY_FROM, RETRY_TO = 1_000, 5_000  # milliseconds; spread, so that a restart is not followed by all at once


class _Template(EventSourceResponse):
    """Gives the headers of an event stream; the stream itself is written by `api.streaming`."""

    @classmethod
    def stream_headers(cls) -> Headers:
        # Whether a connection is kept is the server's to say.
        return [*(one for one in cls(iter(())).raw_headers if one[0] != b"connection"), VARY]


HEADERS: Headers = _Template.stream_headers()
_OF_AN_OPEN_ONE = KeptHeaders(HEADERS)  # they say no length, which an answer that is whole has to


def opening(
    body: bytes, scope: Scope, *, last: bool = False, also: Sequence[tuple[bytes, bytes]] = ()
) -> Sequence[Message]:
    """The beginning of a stream: its head, and what there is of its body.

    Args:
        body: the first part.
        scope: the request.
        last: whether nothing follows.
        also: headers that other streams do not have.
    """
    headers = [*HEADERS, *also] if also or last else _OF_AN_OPEN_ONE
    return Answer(200, headers, body).messages(scope, more_body=not last)


def greeting() -> bytes:
    """The beginning of a stream's first event: when to come back, should the stream break."""
    return b"retry: %d\n" % random.uniform(RETRY_FROM, RETRY_TO)  # noqa: S311 - `randint` takes six times as long


def part(body: bytes, *, last: bool = False) -> Message:
    """A further part of a stream's body, as the server takes it."""
    return {"type": "http.response.body", "body": body, "more_body": not last}


def problem_event(document: Mapping[str, Any]) -> bytes:
    """A problem as one Server-Sent Event, for what goes wrong once the status is sent; it has no id of its own."""
    return b"event: problem\ndata: %b\n\n" % orjson.dumps(document)


def refusal(document: Mapping[str, Any], retry_after: int | None) -> Answer:
    """A refusal for an EventSource, which any status but `200` would stop for good: it is told, and comes again.

    Args:
        document: the problem.
        retry_after: seconds after which coming again may help; spread by up to one more.
    """
    first = RETRY_FROM if retry_after is None else retry_after * 1_000
    retry = b"retry: %d\n" % (first + random.randint(0, 1_000))  # noqa: S311
    return Answer(200, HEADERS, retry + problem_event(document))
