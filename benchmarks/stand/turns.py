"""Polls of the service and of plain ASGI in this one process, turn by turn."""

import asyncio
import gc
import os
import time
from collections.abc import Sequence
from functools import partial

import uvloop

from polling_api import logs
from polling_api.server import COLLECTED_AFTER
from stand.without_sockets import Connect, plain, profile, request, served

CONNECTIONS = 16
PROFILED = 200  # turns
BROWSER = ("User-Agent: python-httpx/0.28", "Accept: */*", "Accept-Encoding: gzip, deflate", "Connection: keep-alive")

Connections = Sequence[asyncio.Protocol]


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


async def measure(turns: int, *, profiled: bool) -> None:
    """Print what a poll takes beside plain ASGI."""
    async with served() as service:
        raw, ours = _opened(plain()), _opened(service.connect)
        seen, unseen = f"If-None-Match: {service.etag}", 'If-None-Match: W/"1-0"'
        kinds = {
            "plain ASGI": (raw, request("/304", seen, *BROWSER)),
            "304": (ours, request(service.path, seen, *BROWSER)),
            "200": (ours, request(service.path, unseen, *BROWSER)),
            "304, bare": (ours, request(service.path, seen)),
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
            await profile(partial(turn, *kinds["304"]), PROFILED)


def _opened(connect: Connect) -> Connections:
    return [connect() for _ in range(CONNECTIONS)]


if __name__ == "__main__":
    logs.configure("json", "warning")
    gc.set_threshold(*COLLECTED_AFTER)
    uvloop.run(measure(int(os.environ["TURNS"]), profiled=bool(os.environ.get("PROFILED"))))
