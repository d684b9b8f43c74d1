"""Signatures of Standard Webhooks (https://www.standardwebhooks.com), as the scheme `v1`: HMAC-SHA-256.

What is signed is `<webhook-id>.<webhook-timestamp>.<body>`. A message may carry several signatures, and a receiver may
hold several secrets: so either side replaces its secret without losing a message.
"""

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE = 300  # seconds that a timestamp may be away from now, before or after

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes of a secret, as the standard has it
_LONGEST_ID = 256  # characters
_MOST_SIGNATURES = 16  # two while a secret is replaced; each further one costs a comparison
_SECONDS = re.compile(r"[0-9]{1,12}")


class BadSignature(Exception):
    """A message that is not to be believed; says which rule failed, and never what would be right."""


@dataclass(frozen=True, slots=True)
class Message:
    """Whose signature was found good: its id, the same in all tries, and Unix seconds."""

    id: str
    timestamp: int


def key_of(secret: str) -> bytes:
    """The key in a secret as it is handed out: `whsec_`, and base64 of 24 to 64 bytes.

    Raises:
        ValueError: it is none.
    """
    if not secret.startswith(_PREFIX):
        raise ValueError(f"a webhook's secret begins with {_PREFIX}")
    encoded = secret.removeprefix(_PREFIX)
    try:
        key = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise ValueError("what follows whsec_ in a webhook's secret is base64") from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(f"a webhook's secret has {_SHORTEST} to {_LONGEST} bytes")
    return key


def secret_of(key: bytes) -> str:
    """A key as it is handed out."""
    return _PREFIX + b64encode(key).decode()


def signed(key: bytes, message: Message, body: bytes) -> str:
    """The signature of one message, as it stands in the header."""
    signing = hmac.new(key, f"{message.id}.{message.timestamp}.".encode() + body, sha256)
    return "v1," + b64encode(signing.digest()).decode()


def verified(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, *, now: float) -> Message:
    """Verify a message that came.

    Args:
        keys: of which one has made one of its signatures.
        headers: of the request, by names in lower case.
        body: as it was received.
        now: Unix seconds.

    Raises:
        BadSignature: a header is missing or malformed, its time is more than 5 minutes away, or nobody signed it.
    """
    message = _named(headers)
    if abs(now - message.timestamp) > TOLERANCE:
        raise BadSignature(f"The message's timestamp is more than {TOLERANCE} seconds away.")
    given = headers.get(SIGNATURE, "").encode().split(b" ")[:_MOST_SIGNATURES]
    expected = [signed(key, message, body).encode() for key in keys]
    # All pairs, so that how long it takes does not tell which of them fitted.
    if not sum(hmac.compare_digest(one, other) for one in expected for other in given):
        raise BadSignature("None of the message's signatures is good.")
    return message


def _named(headers: Mapping[str, str]) -> Message:
    message_id, seconds = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not 0 < len(message_id) <= _LONGEST_ID or not message_id.isascii():
        raise BadSignature("The message has no id.")
    if not _SECONDS.fullmatch(seconds):
        raise BadSignature("The message has no timestamp.")
    return Message(message_id, int(seconds))
