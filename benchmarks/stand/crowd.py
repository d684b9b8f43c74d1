"""Very many connections that are held open, in one process that is not to be the slower side.

They are read by one `epoll`, which the event loop watches: a socket costs what `recv` costs, half of what a transport
of asyncio's does.
"""

import asyncio
import gc
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from stand.load import get

VERSION = b'"version":'  # in each state that is told, once
BUFFERED = 64 * 1024  # bytes: more than any answer here
OPENING = 256  # connections that are not answered yet; a listener's backlog has room for them
PATIENCE = 60.0  # seconds until everybody has been told
_RESET = struct.pack("ii", 1, 0)  # closed at once: ten thousand ports would be kept for a minute otherwise


class Told(NamedTuple):
    """Bytes that came, to the connection of a number, at a moment of `time.perf_counter`."""

    number: int
    at: float
    chunk: bytes


class Crowd:
    """Connections with one request each.

    Args:
        url: of the server.
        again: the requests are sent again as soon as they are answered.

    Attributes:
        told: what came since it was cleared last.
    """

    def __init__(self, url: str, *, again: bool = False) -> None:
        address = urlsplit(url)
        self._address = (address.hostname or "", address.port or 80)
        self._again = again
        self._epoll = select.epoll()
        self._sockets: list[socket.socket] = []
        self._numbers: dict[int, int] = {}
        self._requests: list[bytes] = []
        self._awaited, self._states = 0, 0
        self._came = asyncio.Event()
        self.told: list[Told] = []

    def __len__(self) -> int:
        return len(self._sockets)

    def open(self, requests: Sequence[bytes], *, first: bool = True) -> float:
        """Connect and ask, each request on a connection of its own.

        Args:
            requests: their bytes.
            first: whether to wait until each has been told a state.

        Returns:
            The seconds that took. The event loop stands still for as long.

        Raises:
            TimeoutError: not all were told within a minute.
        """
        began, wanted = time.perf_counter(), self._states
        for request in requests:
            self._ask(request)
            while first and len(self._requests) - wanted - self._states > OPENING:
                self._read(0.1)
        while first and self._states < wanted + len(requests):
            self._read(0.1)
            if time.perf_counter() - began > PATIENCE:
                raise TimeoutError(f"{self._states - wanted} of {len(requests)} were told a state")
        lasted = time.perf_counter() - began
        self.told.clear()
        gc.freeze()  # the collector would go through all of them
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._read)
        return lasted

    def expect(self, states: int) -> None:
        """Begin to count: `until_told` returns when so many states more have been told."""
        self.told.clear()
        self._awaited, self._states = states, 0
        self._came.clear()

    async def until_told(self) -> Sequence[Told]:
        """What came, when all that was expected has; or what has come in a minute."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._came.wait()
        return self.told

    def close(self) -> None:
        """Hang up."""
        asyncio.get_running_loop().remove_reader(self._epoll.fileno())
        for one in self._sockets:
            one.close()
        self._epoll.close()
        gc.unfreeze()

    def _ask(self, request: bytes) -> None:
        connection = socket.create_connection(self._address)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.sendall(request)
        connection.setblocking(False)  # noqa: FBT003 - its own name for it
        self._numbers[connection.fileno()] = len(self._sockets)
        self._sockets.append(connection)
        self._requests.append(request)
        self._epoll.register(connection.fileno(), select.EPOLLIN)

    def _read(self, wait: float = 0) -> None:
        for descriptor, _ in self._epoll.poll(wait, maxevents=len(self._sockets)):
            number = self._numbers[descriptor]
            with suppress(BlockingIOError):
                chunk = self._sockets[number].recv(BUFFERED)
                if not chunk:
                    self._epoll.unregister(descriptor)
                states = chunk.count(VERSION)
                self._states += states
                self.told.append(Told(number, time.perf_counter(), chunk))
                if states and self._again:
                    self._sockets[number].send(self._requests[number])
        if self._awaited and self._states >= self._awaited:
            self._came.set()


def asking(url: str, path: Callable[[int], str], count: int) -> list[bytes]:
    """The bytes of so many requests, each for the path that belongs to its number."""
    return [get(url, path(number), "Accept: application/json, text/event-stream") for number in range(count)]
