"""Structured fields (RFC 9651), read strictly: what can be read in two ways is not read."""

from collections.abc import Sequence
from typing import Any, NoReturn

import http_sf

from polling_api.signing.canonical.errors import Malformed

MOST_FIELD = 8 * 1024  # bytes of one field, all of its lines: the parser takes 10 ms for so many at worst


def joined(lines: Sequence[bytes]) -> bytes:
    """The lines of a field as one (RFC 9110, section 5.3).

    Raises:
        Malformed: they have more than 8 KiB.
    """
    value = lines[0].strip(b" \t") if len(lines) == 1 else b", ".join(line.strip(b" \t") for line in lines)
    if len(value) > MOST_FIELD:
        raise Malformed("A field has more bytes than are read.")
    return value


def read(value: bytes, kind: str) -> Any:
    """A field's value, as `http-sf` gives it.

    Args:
        value: the whole field.
        kind: `dictionary`, `list` or `item`.

    Raises:
        Malformed: it is none, or names a member or a parameter twice. RFC 9651 takes the last of them; what reads
            a request before us may take the first.
    """
    try:
        return http_sf.parse(value, tltype=kind, on_duplicate_key=_refuse)
    except Malformed:
        raise
    except ValueError as error:
        raise Malformed("A field is not the structured field that it has to be.") from error


def written(value: Any) -> str:
    """A value that was read, in its one canonical form.

    Raises:
        Malformed: it has none, as an empty dictionary.
    """
    try:
        return http_sf.ser(value)
    except ValueError as error:
        raise Malformed("A structured field is empty.") from error


def _refuse(_key: str, _context: str) -> NoReturn:
    raise Malformed("A field names a member or a parameter twice.")
