"""What hot reads need of a request, parsed from the ASGI scope without building a `Request`."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qs

from starlette.types import Scope

from polling_api.errors import BadRequest

ASKED = "polling.asked"  # of the scope: its `Asked`
IDS = "polling.ids"  # of the scope: its `RequestIds`
MOST_PARAMETERS = 20  # no endpoint knows half as many


Made = TypeVar("Made")


class Asked:
    """A request's head as far as it was looked into. Requests with the very same head may share it.

    Args:
        lines: its header fields, with names in lower case.
        shared: whether it stays, for others with the same head.
    """

    __slots__ = ("fields", "made", "shared")

    def __init__(self, lines: list[tuple[bytes, bytes]], *, shared: bool = False) -> None:
        fields = dict(lines)
        if len(fields) < len(lines):
            fields = {name: b", ".join(value for key, value in lines if key == name) for name in fields}
        self.fields: Mapping[bytes, bytes] = fields  # a poll is asked for eleven of them
        self.made: dict[Callable[[Scope], Any], Any] = {}
        self.shared = shared


class RequestIds(NamedTuple):
    """What a request is called: by its caller, or by us where that one says nothing; and by us alone."""

    correlation: str
    request: str


def header(scope: Scope, name: bytes) -> str | None:
    """A header's value, several lines joined by commas (RFC 9110, section 5.3); None where it is absent."""
    value = (scope.get(ASKED) or _look(scope)).fields.get(name)
    return None if value is None else value.decode("latin-1")


def field(scope: Scope, name: bytes) -> bytes | None:
    """The same in the bytes that came."""
    return (scope.get(ASKED) or _look(scope)).fields.get(name)


def once(scope: Scope, read: Callable[[Scope], Made]) -> Made:
    """What `read` makes of a request's head, made once for all requests that share it.

    Args:
        scope: the request.
        read: a pure function of the method, the target and the header fields: nothing else of the scope may matter to
            it, since the next request with the same head may be of another caller, at another time. What it makes is
            never changed, and what it raises is raised each time.
    """
    made = (scope.get(ASKED) or _look(scope)).made
    try:
        return made[read]
    except KeyError:
        told = made[read] = read(scope)
        return told


def forget_head(scope: Scope) -> None:
    """Drop what was read of a request's head, until it is asked for again.

    Each of ten thousand that are held open would keep its own; what is shared stays anyway.
    """
    asked = scope.get(ASKED)
    if asked is not None and not asked.shared:
        del scope[ASKED]


def _look(scope: Scope) -> Asked:
    asked = scope[ASKED] = Asked(scope["headers"])
    return asked


def header_lines(scope: Scope, name: bytes) -> list[str]:
    """A header's values, one for each time it stands in the request, for those that are not lists."""
    return [value.decode("latin-1") for value in field_lines(scope, name)]


def field_lines(scope: Scope, name: bytes) -> list[bytes]:
    """The same in the bytes that came."""
    return [value for key, value in scope["headers"] if key == name]


def query(scope: Scope) -> dict[str, list[str]]:
    """The query's parameters.

    Raises:
        BadRequest: it has too many.
    """
    raw: bytes = scope["query_string"]
    if not raw:
        return {}
    try:
        return parse_qs(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise BadRequest(f"The query has more than {MOST_PARAMETERS} parameters.") from None


def last_event_id(scope: Scope) -> str:
    """What a reconnecting reader has seen last: `Last-Event-ID`, which an EventSource sends by itself.

    Else it is `?last_event_id=`, for clients that cannot set headers; empty where there is neither.
    """
    value = header(scope, b"last-event-id")
    return value if value is not None else query(scope).get("last_event_id", [""])[-1]
