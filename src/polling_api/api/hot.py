"""Hot reads: plain ASGI endpoints that FastAPI documents and routes to, but does not handle.

FastAPI's own handling costs four times what uvicorn does for a request: see `docs/decisions/0004-hot-reads.md`.
"""

import inspect
from asyncio import current_task
from collections.abc import Awaitable, Callable, Iterable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.types import ASGIApp, Receive, Scope, Send

from polling_api.api.checked import ROUTE, CheckedRoute
from polling_api.api.negotiation import EVENT_STREAM, JSON
from polling_api.api.requests import once
from polling_api.resilience.steps import in_a_task

if TYPE_CHECKING:
    from types import CoroutineType

Endpoint = Callable[[Scope, Receive, Send], "CoroutineType[Any, Any, None]"]


class HotEndpoint:
    """A plain ASGI endpoint that looks to FastAPI like the function whose signature and docstring document it.

    Args:
        serve: answers the request; the path's parameters are in `scope["path_params"]`.
        documentation: a function that is never called.
        makes: the media type of its answers.
        transport: see `CheckedRoute`.
    """

    def __init__(
        self, serve: Endpoint, documentation: Callable[..., Any], makes: str = JSON, transport: str = "poll"
    ) -> None:
        update_wrapper(self, documentation)
        self.__signature__ = inspect.signature(documentation)
        self.serve = serve
        self.makes = makes
        self.transport = transport

    async def __call__(self, *_: object, **__: object) -> None:
        """FastAPI asks only that an endpoint can be called; `HotRoute` calls `serve`."""
        raise TypeError("a hot endpoint is served by its route")


class HotLane:
    """Hands requests for hot routes to their endpoints, ahead of all that FastAPI does before it routes.

    It asks the routes themselves, in their order, so that the lane and the road lead to the same place.

    Args:
        app: what answers everything else.
        routers: whose `HotRoute`s are tried.
    """

    def __init__(self, app: ASGIApp, routers: Iterable[APIRouter]) -> None:
        self._app = app
        self._routes = [route for router in routers for route in router.routes if isinstance(route, HotRoute)]

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request (ASGI). Not a coroutine of its own: each costs half a KiB while a stream is open."""
        found = once(scope, self._find) if scope["type"] == "http" else None
        if found is None:
            return self._app(scope, receive, send) if current_task() else self._joined(scope, receive, send)
        route, scope["path_params"] = found
        return route.handle(scope, receive, send)

    async def _joined(self, scope: Scope, receive: Receive, send: Send) -> None:
        await in_a_task()  # FastAPI takes one for granted
        await self._app(scope, receive, send)

    def _find(self, scope: Scope) -> "tuple[HotRoute, dict[str, str]] | None":
        """The route that a request is for, with what its path says to it."""
        for route in self._routes:
            found = route.path_regex.match(scope["path"])
            if found and scope["method"] in route.methods:
                return route, found.groupdict()
        return None


class HotRoute(CheckedRoute):
    """A route whose endpoint is a `HotEndpoint`, which asks the door itself: to wait for that costs half a KiB here."""

    coded_within = True

    def __init__(self, path: str, endpoint: HotEndpoint, **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.made = (endpoint.makes,)
        self.transport = endpoint.transport
        self.coded = self.coded and endpoint.makes != EVENT_STREAM

    def handle(self, scope: Scope, receive: Receive, send: Send) -> "CoroutineType[Any, Any, None]":
        """Hand the request over as it is; other methods are refused as on every route."""
        if scope["method"] not in self.methods:
            return super().handle(scope, receive, send)
        scope[ROUTE] = self
        self.require_acceptable(scope)
        assert isinstance(self.endpoint, HotEndpoint)  # noqa: S101 - who adds another kind finds out at the first request
        return self.endpoint.serve(scope, receive, send)
