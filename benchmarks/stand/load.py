"""A load generator: connections that ask again as soon as they are answered."""

import asyncio
import time
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import psutil

CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Load:
    """What a server answered.

    `per_second` is what went through; `per_core_second` is by the server's own CPU time, and so is true even where
    the clients are the slower side.
    """

    per_second: float
    per_core_second: float

    @property
    def microseconds(self) -> float:
        """CPU time of one answer."""
        return 1e6 / self.per_core_second


async def load(server: psutil.Process, url: str, path: str, *headers: str, seconds: float) -> Load:
    """Ask a server for one thing, as fast as it answers."""
    address = urlsplit(url)
    request = "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {address.netloc}", *headers, "", ""]).encode()
    host, port = address.hostname or "", address.port or 80
    length = await _length_of_answer(host, port, request)
    loop = asyncio.get_running_loop()
    clients = [_Client(request, length) for _ in range(CONNECTIONS)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, host, port)
    await asyncio.sleep(seconds / 4)  # warm
    before, began = _used(server), time.perf_counter()
    counted = sum(client.answers for client in clients)
    await asyncio.sleep(seconds)
    answers = sum(client.answers for client in clients) - counted
    used, lasted = _used(server) - before, time.perf_counter() - began
    for client in clients:
        client.stop()
    return Load(answers / lasted, answers / used)


class _Client(asyncio.Protocol):
    """Counts answers by their bytes: each is as long as the first."""

    def __init__(self, request: bytes, length: int) -> None:
        self._request = request
        self._length = length
        self._received = 0
        self._transport: asyncio.Transport | None = None
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received >= self._length and self._transport is not None:
            self._received -= self._length
            self.answers += 1
            self._transport.write(self._request)

    def stop(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def _length_of_answer(host: str, port: int, request: bytes) -> int:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request)
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    return len(head) + int(fields.get(b"content-length", b"0"))


def _used(server: psutil.Process) -> float:
    times = server.cpu_times()
    return times.user + times.system
