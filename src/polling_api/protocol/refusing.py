"""Requests that no route sees, refused like all others: with a correlation id, a figure and a line in the log."""

from typing import cast

from starlette.types import Receive, Scope, Send
from uvicorn._types import ASGI3Application

from polling_api.api.guard import Watcher
from polling_api.api.held import send_whole
from polling_api.api.hosts import EVERY_HOST
from polling_api.api.middleware import Edge
from polling_api.api.origins import NO_ORIGIN
from polling_api.api.problems import problem
from polling_api.errors import PollingError


def refusing(error: PollingError, watcher: Watcher | None = None) -> ASGI3Application:
    """An application that tells `error`, whatever it is asked.

    Args:
        error: what is told.
        watcher: says what is left to the caller, where the request is for something that is limited.
    """

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await send_whole(problem(error, scope), send)

    return cast("ASGI3Application", Edge(refuse, EVERY_HOST, NO_ORIGIN, guard=watcher))
