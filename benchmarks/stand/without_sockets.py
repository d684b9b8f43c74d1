"""The service and plain ASGI in this one process, behind connections without a socket.

No other process takes part, and the least of very many short turns is what the code takes where nothing else gets in
its way: the figures hold on a machine that is busy, where those of whole programs are of whoever was lucky.
"""

import asyncio
import cProfile
import os
import pstats
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, NamedTuple

import httpx
from pydantic import SecretStr
from uvicorn.config import Config
from uvicorn.lifespan.on import LifespanOn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from polling_api import server
from polling_api.app.core import Core, assemble
from polling_api.app.service import service_of
from polling_api.protocol import CountedProtocol
from polling_api.settings import Settings
from stand import raw_asgi
from stand.jobs import BODY
from stand.service import MASTER_KEY

SELDOM = 3600.0  # seconds between two comparisons with the primary: here versions are told that nobody has written
LINES = 45  # of a profile

Connect = Callable[[], asyncio.Protocol]  # opens a connection


class Served(NamedTuple):
    """The service: what opens connections to it, its parts, and a job's path and entity tag."""

    connect: Connect
    core: Core
    path: str
    etag: str


class NoSocket(asyncio.Transport):
    """Takes all that is written, and keeps the last of it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 40000), "sockname": ("127.0.0.1", 8000)})
        self.last = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take it."""
        self.last = bytes(data)

    def is_closing(self) -> bool:
        """It never is."""
        return False

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def pause_reading(self) -> None:
        """Nothing comes by itself."""

    def resume_reading(self) -> None:
        """As above."""

    def close(self) -> None:
        """There is nothing to close."""

    def abort(self) -> None:
        """As above."""


def plain() -> Connect:
    """What opens connections to plain ASGI."""
    state = ServerState()
    state.default_headers = [(b"date", b"Thu, 26 Nov 2026 05:00:00 GMT")]
    return _connecting(_config(raw_asgi.app, HttpToolsProtocol, "off"), state)


@asynccontextmanager
async def served() -> AsyncGenerator[Served]:
    """The service with one job, for as long as the block runs; its servers' addresses are in the environment."""
    settings = Settings(
        database_url=SecretStr(os.environ["POLLING_DATABASE_URL"]),
        redis_url=SecretStr(os.environ["POLLING_REDIS_URL"]),
        master_keys=(SecretStr(MASTER_KEY),),
        compare_every=SELDOM,
    )
    core = assemble(settings)
    service = service_of(core)
    bounds, capacity = server.bounds_of(settings), server.capacity_within(settings, -1)
    config = _config(service.asgi, CountedProtocol.bounded(bounds, capacity, service.guard, news=service.news), "on")
    lifespan = LifespanOn(config)
    await lifespan.startup()
    try:
        transport = httpx.ASGITransport(service.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            made = await client.post("/api/v1/jobs", json={"requests": BODY["requests"]})
            path = made.raise_for_status().headers["location"]
            etag = (await client.get(path)).headers["etag"]
            yield Served(_connecting(config, ServerState()), core, path, etag)
    finally:
        await lifespan.shutdown()


async def profile(turn: Callable[[], Awaitable[float]], turns: int) -> None:
    """Print where the time of so many turns goes."""
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(turns):
        await turn()
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(LINES)


def request(path: str, *fields: str) -> bytes:
    """The bytes of a poll."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1:8000", *fields, "", ""]).encode()


def _connecting(config: Config, state: ServerState) -> Connect:
    make: Any = config.http_protocol_class

    def connect() -> asyncio.Protocol:
        connection = make(config=config, server_state=state, app_state={})
        connection.connection_made(NoSocket())
        return connection

    return connect


def _config(application: Any, protocol: type[asyncio.Protocol], lifespan: Literal["on", "off"]) -> Config:
    config = Config(
        application,
        http=protocol,
        ws="none",
        lifespan=lifespan,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
    config.load()
    return config
