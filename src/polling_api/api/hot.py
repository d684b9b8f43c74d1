"""Hot reads: plain ASGI endpoints that FastAPI documents and routes to, but does not handle.

FastAPI's own handling costs four times what uvicorn does for a request: see `docs/decisions/0004-hot-reads.md`.
"""

import inspect
from collections.abc import Awaitable, Callable
from functools import update_wrapper
from typing import Any

from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]


class HotEndpoint:
    """A plain ASGI endpoint that looks to FastAPI like the function whose signature and docstring document it.

    Args:
        serve: answers the request; the path's parameters are in `scope["path_params"]`.
        documentation: a function that is never called.
    """

    def __init__(self, serve: Endpoint, documentation: Callable[..., Any]) -> None:
        update_wrapper(self, documentation)
        self.__signature__ = inspect.signature(documentation)
        self.serve = serve

    async def __call__(self, *_: object, **__: object) -> None:
        """FastAPI asks only that an endpoint can be called; `HotRoute` calls `serve`."""
        raise TypeError("a hot endpoint is served by its route")


class HotRoute(APIRoute):
    """A route whose endpoint is a `HotEndpoint`."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request over as it is; other methods are refused as on every route."""
        if scope["method"] not in self.methods:
            await super().handle(scope, receive, send)
            return
        scope["polling.route"] = self.path
        assert isinstance(self.endpoint, HotEndpoint)  # noqa: S101 - who adds another kind finds out at the first request
        await self.endpoint.serve(scope, receive, send)
