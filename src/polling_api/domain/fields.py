"""Which members of a job's representation a caller wants: paths as `status` or `progress.completed`."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

MOST_FIELDS = 64  # in one request: twice as many as a job has, which leaves room for single entries of its metadata

Fields = tuple[str, ...]  # sorted, none twice, and none below another

_PLAIN: Final = frozenset(
    {
        "object",
        "id",
        "status",
        "terminal",
        "version",
        "provider",
        "endpoint",
        "created_at",
        "updated_at",
        "started_at",
        "finished_at",
        "expires_at",
        "results_expire_at",
    }
)
_NESTED: Final[Mapping[str, Collection[str]]] = {
    "progress": ("total", "completed", "failed", "expired", "cancelled"),
    "error": ("code", "message"),
    "links": ("self", "events", "results", "cancel"),
}
_OPEN: Final = "metadata"  # its names are the submitter's own


_BELOW = [rf"{name}(\.({'|'.join(members)}))?" for name, members in _NESTED.items()]
FIELD: Final = re.compile("|".join([*sorted(_PLAIN), *_BELOW, rf"{_OPEN}(\.[^,]+)?"]))


def unknown_among(names: Iterable[str]) -> list[str]:
    """Those of some paths that lead to nothing that a job has."""
    return [name for name in names if not FIELD.fullmatch(name)]


def fields_of(names: Iterable[str]) -> Fields:
    """Paths in the one order that all have who want the same; what lies below another of them is in it already."""
    wanted = set(names)
    return tuple(sorted(name for name in wanted if "." not in name or name.partition(".")[0] not in wanted))


def picked(document: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    """What `fields` name of a document, in its own order; of a null member the whole, which is null."""
    inner: dict[str, set[str]] = {}
    for field in fields:
        name, _, below = field.partition(".")
        inner.setdefault(name, set()).add(below)
    return {name: _part(value, inner[name]) for name, value in document.items() if name in inner}


def _part(value: Any, below: Collection[str]) -> Any:
    if value is None or "" in below:
        return value
    return {name: inner for name, inner in value.items() if name in below}
