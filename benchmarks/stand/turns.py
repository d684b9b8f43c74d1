"""The service and plain ASGI in this one process, behind connections without a socket, asked turn by turn.

No other process takes part in a turn, and the least of very many short ones is what the code takes where nothing else
gets in its way: the figures hold on a machine that is busy, where those of whole programs are of whoever was lucky.
"""

import asyncio
import cProfile
import gc
import os
import pstats
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx
import uvloop
from pydantic import SecretStr
from uvicorn.config import Config
from uvicorn.lifespan.on import LifespanOn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from polling_api import logs, server
from polling_api.app.service import create_app
from polling_api.protocol import CountedProtocol
from polling_api.settings import Settings
from stand import raw_asgi
from stand.jobs import BODY
from stand.service import MASTER_KEY

CONNECTIONS = 16
PROFILED = 200  # turns
LINES = 45
BROWSER = ("User-Agent: python-httpx/0.28", "Accept: */*", "Accept-Encoding: gzip, deflate", "Connection: keep-alive")

Connections = Sequence[asyncio.Protocol]


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


def connections(config: Config, state: ServerState) -> Connections:
    """Open ones."""
    opened: list[asyncio.Protocol] = []
    for _ in range(CONNECTIONS):
        make: Any = config.http_protocol_class
        protocol = make(config=config, server_state=state, app_state={})
        protocol.connection_made(NoSocket())
        opened.append(protocol)
    return opened


async def turn(asked: Connections, request: bytes) -> float:
    """Ask on each connection, and again: microseconds of one answer of the second time, which finds all at hand."""
    began = 0.0
    for _ in range(2):
        began = time.perf_counter()
        for connection in asked:
            connection.data_received(request)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return (time.perf_counter() - began) / len(asked) * 1e6


def plain() -> Connections:
    """Those to plain ASGI."""
    state = ServerState()
    state.default_headers = [(b"date", b"Thu, 26 Nov 2026 05:00:00 GMT")]
    return connections(_config(raw_asgi.app, HttpToolsProtocol, "off"), state)


@asynccontextmanager
async def served(settings: Settings) -> AsyncGenerator[tuple[Connections, httpx.AsyncClient]]:
    """Those to the service, and a client of it, for as long as the block runs."""
    service = create_app(settings)
    bounds, capacity = server.bounds_of(settings), server.capacity_within(settings, -1)
    config = _config(service.asgi, CountedProtocol.bounded(bounds, capacity, service.guard), "on")
    lifespan = LifespanOn(config)
    await lifespan.startup()
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(service.asgi), base_url="http://127.0.0.1"
        ) as client:
            yield connections(config, ServerState()), client
    finally:
        await lifespan.shutdown()


async def measure(turns: int, *, profiled: bool) -> None:
    """Print what a poll takes beside plain ASGI."""
    settings = Settings(
        database_url=SecretStr(os.environ["POLLING_DATABASE_URL"]),
        redis_url=SecretStr(os.environ["POLLING_REDIS_URL"]),
        master_keys=(SecretStr(MASTER_KEY),),
    )
    raw = plain()
    async with served(settings) as (ours, client):
        made = await client.post("/api/v1/jobs", json={"requests": BODY["requests"]})
        path = made.raise_for_status().headers["location"]
        etag = (await client.get(path)).headers["etag"]
        seen, unseen = f"If-None-Match: {etag}", 'If-None-Match: W/"1-0"'
        kinds = {
            "plain ASGI": (raw, request(path, seen, *BROWSER)),
            "304": (ours, request(path, seen, *BROWSER)),
            "200": (ours, request(path, unseen, *BROWSER)),
            "304, bare": (ours, request(path, seen)),
        }
        gc.freeze()
        least = dict.fromkeys(kinds, float("inf"))
        for _ in range(turns):
            for kind, (asked, sent) in kinds.items():
                least[kind] = min(least[kind], await turn(asked, sent))
        print(f"{'':12}{'µs each':>9}{'of plain':>10}")
        for kind, took in least.items():
            print(f"{kind:12}{took:9.1f}{least['plain ASGI'] / took:10.2f}")
        if profiled:
            await profile(*kinds["304"])


async def profile(asked: Connections, sent: bytes) -> None:
    """Print where the time goes."""
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(PROFILED):
        await turn(asked, sent)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(LINES)


def request(path: str, *fields: str) -> bytes:
    """The bytes of a poll."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1:8000", *fields, "", ""]).encode()


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


if __name__ == "__main__":
    logs.configure("json", "warning")
    gc.set_threshold(50_000, 20, 100)
    uvloop.run(measure(int(os.environ["TURNS"]), profiled=bool(os.environ.get("PROFILED"))))
