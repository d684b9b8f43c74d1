"""JSON as it is read here: strict, one level at a time, the rest kept as the text it was.

Bodies are never decoded: a number of 5,000 digits or `1e400` would be rounded or refused on the way through
Python. `msgspec.Raw` checks the grammar of what it skips and hands out the very slice. On top of RFC 8259 it
refuses lone surrogates, as I-JSON (RFC 7493) does. Of two members with the same name the last one counts, as
in most parsers; inside a body both are kept, and the provider decides.
"""

import re
from collections.abc import Mapping
from itertools import accumulate
from typing import TypeVar

from msgspec import DecodeError, Raw, ValidationError
from msgspec.json import Decoder

from polling_api.api.submission.codes import Code
from polling_api.api.submission.findings import Findings, Place, malformed
from polling_api.errors import BadRequest

# Deeper than any provider's request, and below what the strictest common parser can follow (serde_json: 128),
# so that whoever reads the body later can. Ours ends at the interpreter's recursion limit, far above.
MOST_LEVELS = 100

Members = Mapping[str, Raw]
Value = TypeVar("Value")

_OBJECT = Decoder(dict[str, Raw])
_ARRAY = Decoder(list[Raw])
_ANYTHING = Decoder(Raw)
_STRING = Decoder(str)
_NUMBER = Decoder(float)

_QUOTED = re.compile(r'"[^"]*"')
_OPENS_OR_CLOSES = bytes.maketrans(b"[{]}", b"\1\1\0\0")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))
_STEP = (-1, 1)


def decode_utf8(octets: bytes, place: Place) -> str:
    """Read bytes as UTF-8.

    Raises:
        BadRequest: they are not, or begin with a byte order mark, which RFC 8259 forbids senders to add.
    """
    if octets.startswith(b"\xef\xbb\xbf"):
        raise malformed(place, "it begins with a byte order mark; save it as UTF-8 without one")
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        raise malformed(place, f"it is not UTF-8 (byte {error.start})") from None


def read_object(text: str | Raw, place: Place, findings: Findings) -> Members | None:
    """The members of an object, each as its own text; None, and a finding, if there is no object.

    Raises:
        BadRequest: the text is not JSON.
    """
    return _read(_OBJECT, text, place, findings, "An object is expected here.")


def read_array(text: Raw, place: Place, findings: Findings) -> list[Raw] | None:
    """The items of an array, each as its own text; None, and a finding, if there is no array."""
    return _read(_ARRAY, text, place, findings, "An array is expected here.")


def read_string(text: Raw | None) -> str | None:
    """A string, or None if that is not what stands there."""
    return _value(_STRING, text)


def read_number(text: Raw | None) -> float | None:
    """A number, or None if that is not what stands there, or it is beyond a double's range."""
    return _value(_NUMBER, text)


def is_null(text: Raw | None) -> bool:
    """Whether a member is missing or null: clients in many languages write null for what they leave out."""
    return text is None or bytes(text) == b"null"


def holds_null_character(json_text: str) -> bool:
    r"""Whether a string in valid JSON has the character U+0000, which can only be written as `\u0000`."""
    return "\\u0000" in json_text and "\\u0000" in _without_escaped_backslashes(json_text)


def is_nested_too_deeply(json_text: str) -> bool:
    """Whether more than 100 objects and arrays of valid JSON stand inside one another."""
    if json_text.count("{") + json_text.count("[") <= MOST_LEVELS:
        return False  # nearly every body ends here; the exact count below costs more than parsing does
    unescaped = _without_escaped_backslashes(json_text).replace('\\"', "")
    brackets = _QUOTED.sub("", unescaped).encode().translate(_OPENS_OR_CLOSES, _NO_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets))) > MOST_LEVELS


def _without_escaped_backslashes(json_text: str) -> str:
    # In valid JSON a backslash that is left after this begins an escape.
    return json_text.replace("\\\\", "")


def _read(decoder: Decoder[Value], text: str | Raw, place: Place, findings: Findings, expected: str) -> Value | None:
    try:
        return decoder.decode(text)
    except ValidationError:
        # Raised at the first token, so what follows has yet to be found to be JSON.
        if _is_json(text, place, findings):
            findings.add(Code.INVALID_REQUEST, place, expected)
    except DecodeError as error:
        raise _malformed(error, place) from None
    except RecursionError:
        _too_deep(place, findings)
    return None


def _is_json(text: str | Raw, place: Place, findings: Findings) -> bool:
    try:
        _ANYTHING.decode(text)
    except DecodeError as error:
        raise _malformed(error, place) from None
    except RecursionError:
        _too_deep(place, findings)
        return False
    return True


def _malformed(error: DecodeError, place: Place) -> BadRequest:
    reason = str(error).removeprefix("JSON is malformed: ")
    return malformed(place, reason[:1].lower() + reason[1:])


def _too_deep(place: Place, findings: Findings) -> None:
    findings.add(Code.NESTED_TOO_DEEPLY, place, f"At most {MOST_LEVELS} levels are taken.")


def _value(decoder: Decoder[Value], text: Raw | None) -> Value | None:
    if text is None:
        return None
    try:
        return decoder.decode(text)
    except ValidationError:
        return None
