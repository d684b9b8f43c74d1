"""Which media types a caller takes (RFC 9110, section 12.5.1), and which codings of a body are read. Pure."""

import re
from functools import lru_cache

from polling_api.errors import NotAcceptable, Unsupported

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
LINES = "application/x-ndjson"

_ANYTHING = {None, "", "*/*"}
# A range with its parameters; a comma inside a quoted string ends none.
_RANGE = re.compile(r'\s*([^\s,;/"]+)/([^\s,;/"]+)\s*((?:;(?:[^,"]|"(?:[^"\\]|\\.)*")*)?)\s*(?:,|$)')
_NEXT = re.compile(r"[^,]*,?")
_WEIGHT = re.compile(r";\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*(?:;|$)", re.IGNORECASE)
_CODINGS = {"", "identity"}


def preferred(accept: str | None, *made: str) -> str:
    """What of all that can be made for a request its `Accept` gives the greatest weight; of equals the first.

    Args:
        accept: all lines of the header joined by commas, or None.
        made: the media types, without parameters.

    Raises:
        NotAcceptable: all are excluded.
    """
    if accept in _ANYTHING or accept == made[0]:
        return made[0]
    best = max(made, key=lambda one: weight_of(accept or "", one))
    if not weight_of(accept or "", best):
        raise NotAcceptable(f"This answer is made as {' or '.join(made)}, which `Accept` excludes.")
    return best


@lru_cache(maxsize=256)  # clients send the same few, and a browser's takes 10 µs to read
def weight_of(accept: str, made: str) -> float:
    """The weight that `accept` gives to `made`, 0 where it excludes it; the range that fits most exactly decides.

    What cannot be read is passed over, and a header of which nothing can be read excludes nothing.
    """
    ranges = _ranges(accept)
    fitting = [(fit, weight) for kind, subtype, weight in ranges if (fit := _fit(kind, subtype, made))]
    return max(fitting, default=(0, 0.0 if ranges else 1.0))[1]


def require_plain(content_encoding: str | None) -> None:
    """Let a request pass whose body is not compressed: a small one could stand for gigabytes.

    Raises:
        Unsupported: `Content-Encoding` names a coding; says which are read (RFC 9110, section 15.5.16).
    """
    if (content_encoding or "").strip().lower() not in _CODINGS:
        raise Unsupported(
            "A body is read as it is, without `Content-Encoding`.", challenges=[(b"accept-encoding", b"identity")]
        )


def _ranges(accept: str) -> list[tuple[str, str, float]]:
    ranges: list[tuple[str, str, float]] = []
    position = 0
    while position < len(accept):
        found = _RANGE.match(accept, position)
        if found is None:
            position = max(_NEXT.match(accept, position).end(), position + 1)  # pyright: ignore[reportOptionalMemberAccess]
            continue
        weight = _WEIGHT.search(found[3])
        ranges.append((found[1].lower(), found[2].lower(), float(weight[1]) if weight else 1.0))
        position = found.end()
    return ranges


def _fit(kind: str, subtype: str, made: str) -> int:
    """How exactly a range fits: not at all, as all types do, as all of one type do, or as this one alone does."""
    fits = ("", "*/*", f"{made.partition('/')[0]}/*", made)
    asked = f"{kind}/{subtype}"
    return fits.index(asked) if asked in fits else 0
