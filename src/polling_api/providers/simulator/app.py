"""The simulator's parts, put together as an ASGI app."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from polling_api.providers.simulator.batches import Batches
from polling_api.providers.simulator.controls import Controls
from polling_api.providers.simulator.course import BatchRecord, Pace
from polling_api.providers.simulator.errors import ApiError
from polling_api.providers.simulator.faults import FaultBook
from polling_api.providers.simulator.files import Files
from polling_api.providers.simulator.folder import Folder
from polling_api.providers.simulator.injector import FaultInjector
from polling_api.providers.simulator.pushes import Pusher, Receiver

_DEFAULT_PACE = Pace()


def create_simulator(
    folder: Path,
    *,
    clock: Callable[[], float] = time.time,
    pace: Pace = _DEFAULT_PACE,
    receiver: Receiver | None = None,
) -> ASGIApp:
    """Put a simulator together.

    Args:
        folder: where its files and batches are kept; made if it is not there, read if it is.
        clock: Unix seconds.
        pace: the course of batches that have no script.
        receiver: where events go; None for nowhere.

    Returns:
        An ASGI app, to be run by uvicorn (dropped connections need its transport); its lifespan sends events.
    """
    kept, book, calls, pushes = Folder(folder), FaultBook(), Counter[str](), Counter[str]()
    pusher = None if receiver is None else Pusher(receiver, kept, book, clock, pushes)
    batches = Batches(kept, clock, pace, noted=_nobody_told if pusher is None else pusher.note)
    api = Router(routes=[*Files(kept, clock).routes(), *batches.routes()], redirect_slashes=False)
    app = Starlette(
        routes=[
            Mount("/v1", app=BearerRequired(api)),
            Mount("/simulator", routes=Controls(book, calls, kept, pushes).routes()),
        ],
        exception_handlers={ApiError: _api_error, HTTPException: _http_error, Exception: _server_error},
        lifespan=None if pusher is None else _pushing(pusher),
    )
    return FaultInjector(app, book, calls)


def _nobody_told(_: BatchRecord) -> None:
    """For a simulator that sends no events."""


def _pushing(pusher: Pusher) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        running = asyncio.create_task(pusher.run())
        yield
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    return lifespan


class BearerRequired:
    """Refuses requests without a bearer token; any token is taken."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3).

        Raises:
            ApiError: 401.
        """
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise ApiError(401, "You didn't provide an API key.", code="invalid_api_key")
        await self._app(scope, receive, send)


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101
    return JSONResponse(error.body, error.status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    told = f"{error.detail} ({request.method} {request.url.path})"
    return JSONResponse(ApiError(error.status_code, told).body, error.status_code, error.headers)


async def _server_error(_: Request, error: Exception) -> Response:
    body = ApiError(500, f"The server had an error: {type(error).__name__}.", kind="server_error").body
    return JSONResponse(body, 500)
