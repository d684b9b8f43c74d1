"""Digests of a body (RFC 9530)."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from polling_api.signing.canonical.errors import Malformed
from polling_api.signing.canonical.structured import joined, read

# The two that RFC 9530 has as active, by their names in `hashlib`.
_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}


@dataclass(frozen=True, slots=True)
class ContentDigest:
    """What a body has to hash to: one value at least, by algorithm."""

    values: tuple[tuple[str, bytes], ...]


def content_digest(body: bytes) -> str:
    """The value of `Content-Digest` for a body, by SHA-256."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def read_content_digest(lines: Sequence[bytes]) -> ContentDigest:
    """The digests of `Content-Digest` that can be checked; those by other algorithms are passed over.

    Args:
        lines: the field's lines, in order.

    Raises:
        Malformed: it is no dictionary of byte sequences, a digest is not as long as its algorithm makes it, or
            none can be checked.
    """
    members = read(joined(lines), "dictionary")
    if not all(isinstance(value, bytes) for value, _ in members.values()):
        raise Malformed("A digest is not a sequence of bytes.")
    known = tuple((name, value) for name, (value, _) in members.items() if name in _ALGORITHMS)
    if not known:
        raise Malformed("No digest of the body is by an algorithm that is known here.")
    if any(len(value) != hashlib.new(_ALGORITHMS[name]).digest_size for name, value in known):
        raise Malformed("A digest of the body has not the length that its algorithm makes.")
    return ContentDigest(known)


class DigestCheck:
    """Compares a body with its digests while it comes in, so that nobody has to hold the whole.

    All of them have to be right: who checks but one lets two readers see two bodies (RFC 9530, section 6.7).
    """

    def __init__(self, expected: ContentDigest) -> None:
        self._hashes = [(hashlib.new(_ALGORITHMS[name]), value) for name, value in expected.values]

    def update(self, chunk: bytes) -> None:
        """Take the next part of the body, before any content coding is undone."""
        for running, _ in self._hashes:
            running.update(chunk)

    def matches(self) -> bool:
        """Whether what came so far is the whole body."""
        return all(hmac.compare_digest(running.digest(), value) for running, value in self._hashes)
