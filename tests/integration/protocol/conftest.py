"""A real server with the protocol under test, over an application that says what it was asked."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import orjson
import pytest
from starlette.types import Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from polling_api.api.answers import Answer
from polling_api.api.guard import NoWatcher
from polling_api.api.held import send_whole
from polling_api.errors import PollingError
from polling_api.protocol import Bounds, Capacity, CountedProtocol
from polling_api.protocol.heads import Heads
from polling_api.protocol.refusing import refusing
from polling_api.resilience.news_first import NewsFirst

# Short enough for a test to see them pass, and long enough for a busy machine to stay below.
QUICK = Bounds(head_seconds=0.5, body_seconds=0.5, body_rate=64 * 1024, stalled_seconds=0.5)
PATIENT = Bounds(head_seconds=30, body_seconds=30, body_rate=1, stalled_seconds=30)
MANY = 10_000  # connections: more than any test here opens


class Echo:
    """Answers with what it was asked.

    `/hold` waits until the client is gone, or is answered by whoever calls `answer`; `/unread` leaves the body alone.

    Attributes:
        asked: the paths of all requests, in the order in which they were begun.
        held: set when `/hold` has begun to wait.
        gone: set when it has found its client gone, or answered.
        answer: answers the last that waits.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.held = asyncio.Event()
        self.gone = asyncio.Event()
        self.released = asyncio.Event()
        self.answer: Callable[[], Awaitable[None]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        self.asked.append(scope["path"])
        try:
            body = b"" if scope["path"] == "/unread" else await _read(receive)
        except PollingError as error:
            await refusing(error)(scope, receive, send)  # pyright: ignore[reportArgumentType]
            return
        if scope["path"] == "/hold":
            self.answer = partial(send_whole, Answer(200, []), scope, send)
            self.held.set()
            while (await receive())["type"] != "http.disconnect":
                pass
            self.gone.set()
            return
        if scope["path"] == "/release":
            self.held.set()
            await self.released.wait()
        await _tell(scope, body, send)


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message: Message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _tell(scope: Scope, body: bytes, send: Send) -> None:
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
    told: dict[str, Any] = {name: scope[name] for name in ("method", "path", "http_version")}
    told |= {"query": scope["query_string"].decode(), "headers": headers, "body": body.decode("latin-1")}
    content = orjson.dumps(told)
    length = (b"content-length", b"%d" % len(content))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": content})


@asynccontextmanager
async def serving(
    echo: Echo,
    bounds: Bounds,
    *,
    keep_alive: int = 60,
    capacity: Capacity | None = None,
    in_system: int = 0,
    heads: Heads | None = None,
    news: NewsFirst | None = None,
    state: ServerState | None = None,
) -> AsyncGenerator[int]:
    """The port of a server, for as long as the block runs.

    Args:
        echo: the application.
        bounds: how long requests and readers may take.
        keep_alive: seconds for which a connection may be idle between requests.
        capacity: how many connections there may be; plenty where it is not given.
        in_system: bytes that the system keeps for a reader, where that matters.
        heads: where it keeps the requests that it has read.
        news: says which requests are held back.
        state: knows the connections, where a test asks for them.
    """
    # Starlette's types and uvicorn's are the same under other names.
    application: Any = echo
    config = Config(application, lifespan="off", log_config=None, access_log=False, timeout_keep_alive=keep_alive)
    room = Capacity(MANY, MANY, lambda _: False) if capacity is None else capacity
    protocol, state = CountedProtocol.bounded(bounds, room, NoWatcher(), heads=heads, news=news), state or ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0)
    if in_system:
        server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, in_system)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in tuple(state.connections):
            connection.transport.abort()
        await asyncio.gather(*state.tasks)


@pytest.fixture
def echo() -> Echo:
    """The application."""
    return Echo()


@pytest.fixture
async def port(echo: Echo) -> AsyncIterator[int]:
    """That of a server that has time."""
    async with serving(echo, PATIENT) as listening:
        yield listening


@pytest.fixture
async def quick_port(echo: Echo) -> AsyncIterator[int]:
    """That of a server that waits half a second for a request."""
    async with serving(echo, QUICK) as listening:
        yield listening
