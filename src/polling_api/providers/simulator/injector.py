"""The ASGI layer around the simulated API that counts calls, and makes those go wrong that were asked to."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polling_api.providers.simulator.errors import ApiError
from polling_api.providers.simulator.faults import LONGEST_LATENCY, Fault, FaultBook, FaultKind

_ID = re.compile(r"^(/v1/(?:files|batches))/[^/]+")
_WITHOUT_ID = r"\1/{id}"
_TRICKLES_EVERY = 0.1  # seconds, far within every timeout for a part of an answer


class FaultInjector:
    """Wraps the app; is the outermost layer, since a connection can only be dropped at the server's `send`.

    Args:
        app: the simulated API.
        book: the faults asked for.
        calls: counts arrived calls, by method and path with `{id}` for ids; those that go wrong are counted
            too.
    """

    def __init__(self, app: ASGIApp, book: FaultBook, calls: Counter[str]) -> None:
        self._app = app
        self._book = book
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        self._calls[f"{method} {_ID.sub(_WITHOUT_ID, path)}"] += 1
        fault = self._book.take(method, path)
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await self._go_wrong(fault, scope, receive, send)

    async def _go_wrong(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        match fault.kind:
            case FaultKind.LATENCY:
                await asyncio.sleep(min(fault.number(1), LONGEST_LATENCY))
                await self._app(scope, receive, send)
            case FaultKind.RATE_LIMIT:
                await _rate_limited(fault)(scope, receive, send)
            case FaultKind.SERVER_ERROR:
                await _server_error(fault)(scope, receive, send)
            case FaultKind.DROP:
                await _drop(receive, send)
            case FaultKind.DROP_AFTER:
                await self._app(scope, receive, _swallow)
                await _drop(receive, send)
            case FaultKind.GARBAGE:
                garbage = fault.value if isinstance(fault.value, str) else "<html>not what you asked for"
                await Response(garbage, media_type="application/json")(scope, receive, send)
            case FaultKind.REGRESS:
                await _regress(await _answer_of(self._app, scope, receive))(scope, receive, send)
            case FaultKind.TRICKLE:
                await _trickle(await _answer_of(self._app, scope, receive), receive, send)
            case _:  # of an event, which is no call
                await self._app(scope, receive, send)


def _rate_limited(fault: Fault) -> Response:
    error = ApiError(429, "Rate limit reached.", code="rate_limit_exceeded", kind="requests")
    wait = fault.value if isinstance(fault.value, str) else f"{fault.number(1):g}"
    return JSONResponse(error.body, error.status, {"Retry-After": wait})


def _server_error(fault: Fault) -> Response:
    error = ApiError(int(fault.number(500)), "The server had an error while processing.", kind="server_error")
    return JSONResponse(error.body, error.status)


async def _swallow(message: Message) -> None:
    """Send nothing."""


async def _drop(receive: Receive, send: Send) -> None:
    """Close the connection with nothing said.

    ASGI has no word for it: the server's own transport is reached through its `send`. Returning before the
    server has noticed would make it say 500.
    """
    transport = cast("asyncio.Transport", cast("Any", send).__self__.transport)
    transport.abort()
    await _until_gone(receive)


async def _answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> Response:
    answer = Response()
    body = bytearray()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status_code = message["status"]
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, send)
    answer.body = bytes(body)
    return answer


async def _trickle(answer: Response, receive: Receive, send: Send) -> None:
    """Send the first line, and then so little that only a limit on the whole answer ends it."""
    await send({"type": "http.response.start", "status": answer.status_code, "headers": []})
    await send(
        {"type": "http.response.body", "body": bytes(answer.body).partition(b"\n")[0] + b"\n", "more_body": True}
    )
    leaving = asyncio.ensure_future(_until_gone(receive))
    for _ in range(int(LONGEST_LATENCY / _TRICKLES_EVERY)):
        await asyncio.wait([leaving], timeout=_TRICKLES_EVERY)
        if leaving.done():
            return
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
    leaving.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _regress(answer: Response) -> Response:
    """Set the batch, or each of a list, back to its beginning."""
    told: dict[str, Any] = json.loads(bytes(answer.body))
    if told.get("object") == "list":
        told["data"] = [_set_back(entry) for entry in told["data"]]
    return JSONResponse(_set_back(told), answer.status_code)


def _set_back(told: Mapping[str, Any]) -> Mapping[str, Any]:
    if told.get("object") != "batch":
        return told
    beginning = {"total": 0, "completed": 0, "failed": 0}
    return {
        **told,
        "status": "validating",
        "request_counts": beginning,
        "output_file_id": None,
        "error_file_id": None,
    }
