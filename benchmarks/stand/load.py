"""A load generator: connections that ask again as soon as they are answered."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import cast
from urllib.parse import urlsplit

import psutil

from stand.cores import cpu_of
from stand.figures import percentile
from stand.wire import ask_once

CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Load:
    """What a server answered.

    `per_second` is what went through; `per_core_second` is by the server's own CPU time, and so is true even where
    the clients are the slower side. `p99` is of the seconds that an answer took.
    """

    per_second: float
    per_core_second: float
    p99: float

    @property
    def microseconds(self) -> float:
        """CPU time of one answer."""
        return 1e6 / self.per_core_second


def get(url: str, path: str, *headers: str) -> bytes:
    """The bytes of a request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}", *headers, "", ""]).encode()


async def load(server: psutil.Process, url: str, path: str, *headers: str, seconds: float) -> Load:
    """Ask a server for one thing, as fast as it answers."""
    return await load_of(server, url, [get(url, path, *headers)], seconds=seconds)


async def load_of(
    server: psutil.Process, url: str, requests: Sequence[bytes], *, seconds: float, callers: Sequence[str] = ()
) -> Load:
    """Ask a server for each of some things in turn, as fast as it answers; all answers are as long as the first.

    Args:
        server: whose CPU time is counted.
        url: its address.
        requests: their bytes.
        seconds: to go on, after a quarter of that to warm up.
        callers: addresses of this machine to ask from, in turn; any where none are given.
    """
    clients = await _clients(url, cycle(requests), (await ask_once(url, requests[0])).received, callers)
    await asyncio.sleep(seconds / 4)  # warm
    before, began = cpu_of(server), time.perf_counter()
    for client in clients:
        client.took.clear()
    await asyncio.sleep(seconds)
    used, lasted = cpu_of(server) - before, time.perf_counter() - began
    measured = _load(clients, lasted, used)
    for client in clients:
        client.stop()
    return measured


async def load_once(server: psutil.Process, url: str, requests: Sequence[bytes]) -> Load:
    """Ask a server for each of some things, once, as fast as it answers; all answers are as long as the first."""
    length = (await ask_once(url, requests[0])).received
    before, began = cpu_of(server), time.perf_counter()
    clients = await _clients(url, iter(requests[1:]), length)
    await asyncio.gather(*(client.done.wait() for client in clients))
    return _load(clients, time.perf_counter() - began, cpu_of(server) - before)


def _load(clients: "Sequence[_Client]", lasted: float, used: float) -> Load:
    took = [seconds for client in clients for seconds in client.took]
    return Load(len(took) / lasted, len(took) / used, percentile(took, 99))


async def _clients(url: str, requests: Iterator[bytes], length: int, callers: Sequence[str] = ()) -> "list[_Client]":
    host, port = _address(url)
    clients = [_Client(requests, length) for _ in range(CONNECTIONS)]
    sources = [(caller, 0) for caller in islice(cycle(callers), CONNECTIONS)] if callers else [None] * CONNECTIONS
    for client, source in zip(clients, sources, strict=True):
        await asyncio.get_running_loop().create_connection(lambda client=client: client, host, port, local_addr=source)
    return clients


class _Client(asyncio.Protocol):
    """Sends the next request after each answer, and counts answers by their bytes: each is as long as the first."""

    def __init__(self, requests: Iterator[bytes], length: int) -> None:
        self._requests = requests
        self._length = length
        self._received = 0
        self._transport: asyncio.Transport | None = None
        self.took: list[float] = []  # seconds of each answer
        self._asked = 0.0
        self.done = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received >= self._length:
            self._received -= self._length
            self.took.append(time.perf_counter() - self._asked)
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the server's, or ours by `stop`
        self.done.set()

    def stop(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _ask(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self.stop()
        elif self._transport is not None:
            self._asked = time.perf_counter()
            self._transport.write(request)


def _address(url: str) -> tuple[str, int]:
    address = urlsplit(url)
    return address.hostname or "", address.port or 80
