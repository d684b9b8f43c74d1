"""Which members of a representation a caller wants: paths as `status` or `progress.completed`."""

import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

MOST_FIELDS = 64  # in one request: twice as many as a job has, which leaves room for single entries of its metadata

Fields = tuple[str, ...]  # sorted, none twice, and none below another

_NONE: Final[Mapping[str, Collection[str]]] = MappingProxyType({})
_COUNTS: Final = ("total", "completed", "failed", "expired", "cancelled")
_FAULT: Final = ("code", "message")


class Shape:
    """The members that a kind of resource has.

    Args:
        called: as the beginning of a sentence: `A job`.
        plain: members that are shown whole or not at all.
        nested: members whose own members may be named too, and these.
        open_to: members whose own members have any names, as metadata have.

    Attributes:
        called: as above.
        field: a path to a member.
    """

    def __init__(
        self, called: str, plain: Iterable[str], nested: Mapping[str, Collection[str]] = _NONE, *open_to: str
    ) -> None:
        self.called = called
        below = [rf"{name}(\.({'|'.join(members)}))?" for name, members in nested.items()]
        anything = [rf"{name}(\.[^,]+)?" for name in open_to]
        self.field = re.compile("|".join([*sorted(plain), *below, *anything]))

    def unknown_among(self, names: Iterable[str]) -> list[str]:
        """Those of some paths that lead to nothing that such a resource has."""
        return [name for name in names if not self.field.fullmatch(name)]


JOB: Final = Shape(
    "A job",
    (
        *("object", "id", "status", "terminal", "version", "provider", "endpoint"),
        *("created_at", "updated_at", "started_at", "finished_at", "expires_at", "results_expire_at"),
    ),
    {"progress": _COUNTS, "error": _FAULT, "links": ("self", "events", "results", "cancel")},
    "metadata",
)
VERSION: Final = Shape("A version", ("version", "status", "at"), {"progress": _COUNTS})
RESULT: Final = Shape(
    "A result", ("index", "custom_id", "outcome"), {"response": ("status_code", "body"), "error": _FAULT}
)
CLIENT: Final = Shape("A client", ("object", "id", "name", "key_id", "api_version"), _NONE, "limits")
KEY: Final = Shape("A key", ("object", "id", "created_at", "expires_at", "revoked_at", "last_used_at"))
ENDPOINT: Final = Shape(
    "A webhook endpoint",
    ("object", "id", "url", "events", "status", "disabled_because", "created_at", "failing_since"),
)
DELIVERY: Final = Shape(
    "A webhook delivery",
    ("object", "id", "endpoint_id", "job_id", "version", "event", "status", "created_at", "next_attempt_at"),
    {"attempts": ("at", "status_code", "duration_ms", "error", "body")},
)
AUDIT: Final = Shape(
    "An audit row",
    (
        *("object", "id", "at", "client_id", "actor", "action", "job_id", "address", "outcome", "count"),
        *("correlation_id", "request_id"),
    ),
)


def fields_of(names: Iterable[str]) -> Fields:
    """Paths in the one order that all have who want the same; what lies below another of them is in it already."""
    wanted = set(names)
    return tuple(sorted(name for name in wanted if "." not in name or name.partition(".")[0] not in wanted))


def picked(document: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    """What `fields` name of a document, in its own order; of each object in a list, and of a null member all: null."""
    inner: dict[str, set[str]] = {}
    for field in fields:
        name, _, below = field.partition(".")
        inner.setdefault(name, set()).add(below)
    return {name: _part(value, inner[name]) for name, value in document.items() if name in inner}


def _part(value: Any, below: Collection[str]) -> Any:
    if value is None or "" in below:
        return value
    if isinstance(value, list):
        return [_part(one, below) for one in cast("list[Any]", value)]
    return {name: inner for name, inner in value.items() if name in below}
