"""Requests that no route sees, refused like all others: with a correlation id, a figure and a line in the log."""

from typing import cast

from starlette.types import Receive, Scope, Send
from uvicorn._types import ASGI3Application

from polling_api.api.guard import LIMITED, Watcher
from polling_api.api.held import send_whole
from polling_api.api.hosts import EVERY_HOST
from polling_api.api.middleware import Edge
from polling_api.api.origins import NO_ORIGIN
from polling_api.api.problems import problem
from polling_api.errors import PollingError


def path_of_refused(target: bytes) -> str:
    """The path of a request whose head is refused.

    What its target was meant to be is not known, and is not guessed, but for whether limits are told there.

    Args:
        target: as far as it was read.
    """
    return LIMITED if target.startswith(LIMITED.encode()) else "/"


def refusing(error: PollingError, watcher: Watcher | None = None) -> ASGI3Application:
    """An application that tells `error`, whatever it is asked.

    Args:
        error: what is told.
        watcher: says what is left to the caller, where the request is for something that is limited.
    """

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await send_whole(problem(error, scope), scope, send)

    return cast("ASGI3Application", Edge(refuse, EVERY_HOST, NO_ORIGIN, guard=watcher))
