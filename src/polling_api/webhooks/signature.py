"""The header fields that sign what goes out, by Standard Webhooks (see `standard`).

The id is the same at every attempt, the timestamp that of the attempt. While a secret is replaced there are two
signatures, so that a receiver may know either.
"""

from collections.abc import Sequence

from polling_api.webhooks.standard import ID, SIGNATURE, TIMESTAMP, Message, signed


def signature_headers(secrets: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Sign a message.

    Args:
        secrets: each makes a signature; the present one first.
        message_id: the delivery's.
        timestamp: Unix seconds of this attempt.
        body: as it will be sent.
    """
    message = Message(message_id, timestamp)
    signatures = [signed(secret, message, body) for secret in secrets]
    return {ID: message_id, TIMESTAMP: str(timestamp), SIGNATURE: " ".join(signatures)}
