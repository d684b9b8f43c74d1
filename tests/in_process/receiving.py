"""Receivers of requests that we send, on loopback, and the network that leads to them."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import cast

import httpcore

from polling_api.webhooks.outbound import Address

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Receiver:
    """What came to a port of this machine.

    Attributes:
        port: where it listens.
        heads: of the requests, as they came.
        connections: taken so far.
    """

    def __init__(self, answer: bytes = OK) -> None:
        self.port = 0
        self.heads: list[str] = []
        self.connections = 0
        self._answer = answer

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer every request of one connection."""
        self.connections += 1
        try:
            while True:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                writer.write(self._answer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(
    *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, answer: bytes = OK
) -> AsyncGenerator[Receiver]:
    """A receiver for the time of a test."""
    receiver = Receiver(answer)
    server = await asyncio.start_server(receiver.take, host, 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


class Wires(httpcore.AsyncNetworkBackend):
    """A network in which every address is this machine; it notes which were dialled.

    Attributes:
        dialled: hosts and ports, in order.
        dead: hosts that nobody answers for.
    """

    def __init__(self, port: int, *, dead: Iterable[str] = ()) -> None:
        self.dialled: list[tuple[str, int]] = []
        self.dead = set(dead)
        self._port = port
        self._network = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the seam's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the receiver, whatever the address."""
        self.dialled.append((host, port))
        if host in self.dead:
            raise httpcore.ConnectError("nobody there")
        return await self._network.connect_tcp("127.0.0.1", self._port, timeout, local_address, socket_options)


def answering(*answers: Sequence[str]) -> Callable[[str, int], Awaitable[Sequence[Address]]]:
    """A resolver that gives one answer after the other, whatever the name; the last one for ever."""
    left = list(answers)

    async def resolve(_name: str, _port: int) -> Sequence[Address]:
        return [ip_address(text) for text in (left.pop(0) if len(left) > 1 else left[0])]

    return resolve
