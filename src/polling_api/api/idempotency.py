"""The `Idempotency-Key` header, and what tells one submission from another."""

import re
from collections.abc import AsyncIterator
from hashlib import sha256

from polling_api.errors import BadRequest

LONGEST = 255
SHORTEST_OF_ANYBODY = 22  # characters: where the key alone is the scope, guessing another's must be hopeless

_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')  # a String of RFC 9651, section 3.3.3
_ESCAPED = re.compile(r'\\(["\\])')


def idempotency_key(lines: list[str], *, shortest: int) -> str | None:
    """The key that a caller gives, None where there is none.

    The quoted form of the IETF draft (draft-ietf-httpapi-idempotency-key-header) and the plain one, which most clients
    send, are the same key.

    Args:
        lines: the header's values, one for each time it stands in the request.
        shortest: the least number of characters.

    Raises:
        BadRequest: it stands there twice, or is too short, too long or not printable ASCII (`bad_idempotency_key`).
    """
    if not lines:
        return None
    key = _unquoted(lines[0].strip(" \t"))
    if len(lines) > 1 or key is None or not shortest <= len(key) <= LONGEST:
        raise BadRequest(
            f"Idempotency-Key is given once, and has {shortest} to {LONGEST} printable ASCII characters.",
            code="bad_idempotency_key",
        )
    return key


def _unquoted(value: str) -> str | None:
    if value.startswith('"'):
        quoted = _QUOTED.fullmatch(value)
        return quoted and _ESCAPED.sub(r"\1", quoted[1])
    return value if _PRINTABLE.fullmatch(value) else None


class Fingerprint:
    """Tells whether two submissions were the same: a digest of the media type and of every byte of the body."""

    def __init__(self, media_type: str) -> None:
        self._digest = sha256(media_type.encode() + b"\0")

    async def over(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass a body on, and take it in."""
        async for chunk in chunks:
            self._digest.update(chunk)
            yield chunk

    def value(self) -> bytes:
        """The digest of what has passed so far."""
        return self._digest.digest()
