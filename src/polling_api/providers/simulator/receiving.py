"""Request bodies, read up to a bound."""

import json
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.types import Message

from polling_api.providers.simulator.errors import ApiError
from polling_api.providers.simulator.folder import MOST_BYTES

MOST_JSON = 64 * 1024  # bytes; the body that creates a batch is under 20 KB at OpenAI's own bounds
_ENVELOPE = 64 * 1024  # bytes of a multipart body around its file


async def read_json(request: Request) -> Any:
    """Read a JSON body.

    Raises:
        ApiError: 400 or 413.
    """
    body = await _bounded(request, MOST_JSON).body()
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError(400, "We could not parse the JSON body of your request.") from None


async def read_form(request: Request) -> FormData:
    """Read a multipart body; its file goes to disk as it arrives.

    Raises:
        ApiError: 413.
        starlette.exceptions.HTTPException: 400, it is no form.
    """
    return await _bounded(request, MOST_BYTES + _ENVELOPE).form(max_files=1, max_fields=8)


def _bounded(request: Request, most: int) -> Request:
    """The same request, whose body breaks off when it is over `most` bytes."""
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > most:
            raise ApiError(413, f"The body is over {most} bytes.")
        return message

    return Request(request.scope, receive)
