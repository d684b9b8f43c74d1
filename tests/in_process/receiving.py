"""Receivers of requests that we send, on loopback, and the network that leads to them."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from itertools import repeat
from typing import Any, cast

import httpcore

from polling_api.webhooks.outbound import Address

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Receiver:
    """What came to a port of this machine.

    Attributes:
        port: where it listens.
        heads: of the requests, as they came.
        bodies: of the requests.
        connections: taken so far.
        writers: of the connections that are open.
    """

    def __init__(self, answer: bytes = OK, requests: int | None = None) -> None:
        self.port = 0
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []
        self._answer = answer
        self._requests = requests

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, all, or so many."""
        self.connections += 1
        self.writers.append(writer)
        try:
            for _ in repeat(None) if self._requests is None else range(self._requests):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                length = head.lower().partition("content-length:")[2].partition("\r\n")[0]
                self.bodies.append(await reader.readexactly(int(length or 0)))
                writer.write(self._answer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            self.writers.remove(writer)
            writer.close()


@asynccontextmanager
async def receiving(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    answer: bytes = OK,
    requests: int | None = None,
) -> AsyncGenerator[Receiver]:
    """A receiver for the time of a test."""
    receiver = Receiver(answer, requests)
    server = await asyncio.start_server(receiver.take, host, port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


class Wires(httpcore.AsyncNetworkBackend):
    """A network in which every address is this machine; it notes which were dialled.

    Attributes:
        dialled: addresses and ports, in order.
        dead: addresses that nobody answers for.
        silent: addresses that nothing comes back from.
    """

    def __init__(self, port: int, *, dead: Iterable[str] = (), silent: Iterable[str] = ()) -> None:
        self.dialled: list[tuple[str, int]] = []
        self.dead, self.silent = set(dead), set(silent)
        self._port = port
        self._here = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(self, host: str, port: int, *_args: Any, **_options: Any) -> httpcore.AsyncNetworkStream:
        """Connect to the receiver, whatever the address."""
        self.dialled.append((host, port))
        if host in self.dead:
            raise httpcore.ConnectError
        if host in self.silent:
            await asyncio.Event().wait()
        return await self._here.connect_tcp("127.0.0.1", self._port)


def answering(*answers: Sequence[str]) -> Callable[[str, int], Awaitable[Sequence[Address]]]:
    """A resolver that gives one answer after the other, whatever the name; the last one for ever."""
    left = list(answers)

    async def resolve(_name: str, _port: int) -> Sequence[Address]:
        return [ip_address(text) for text in (left.pop(0) if len(left) > 1 else left[0])]

    return resolve
