"""What goes out is signed by Standard Webhooks (https://www.standardwebhooks.com), scheme `v1`: HMAC-SHA-256.

Signed is `<webhook-id>.<webhook-timestamp>.<body>`. The id is the same at every attempt, the timestamp that of the
attempt. While a secret is replaced there are two signatures, so that a receiver may know either.
"""

import hmac
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256

PREFIX = "whsec_"


def secret_text(secret: bytes) -> str:
    """A secret as it is told to its owner, once: `whsec_` and its base64, as verifiers take it."""
    return PREFIX + b64encode(secret).decode()


def signature_headers(secrets: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The header fields that sign a message.

    Args:
        secrets: each makes a signature; the present one first.
        message_id: the delivery's.
        timestamp: Unix seconds of this attempt.
        body: as it will be sent.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = [b64encode(hmac.digest(secret, signed, sha256)).decode() for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
