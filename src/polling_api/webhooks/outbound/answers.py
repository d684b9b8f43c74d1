"""What is made of an answer: whoever answers is somebody else's, so what is kept of it is bounded."""

from typing import NamedTuple

import httpcore

MOST_BODY = 1024  # bytes of an answer's body: it is shown to the receiver's owner, and means nothing to us


class Answered(NamedTuple):
    """An answer: its status, its `Retry-After` if it has one, and the beginning of its body."""

    status_code: int
    retry_after: str | None
    body: bytes


async def read_answer(response: httpcore.Response) -> Answered:
    """Read as much of an answer as is kept; one that is longer ends its connection, since its rest is not waited for.

    Raises:
        httpcore.RemoteProtocolError, httpcore.ReadError: it breaks off.
    """
    body = bytearray()
    try:
        parts = response.aiter_stream()
        while len(body) < MOST_BODY and (part := await anext(parts, None)) is not None:
            body += part
    finally:
        await response.aclose()
    return Answered(response.status, _retry_after(response), bytes(body[:MOST_BODY]))


def _retry_after(response: httpcore.Response) -> str | None:
    values = (value for name, value in response.headers if name.lower() == b"retry-after")
    return next((value.decode("latin-1") for value in values), None)
