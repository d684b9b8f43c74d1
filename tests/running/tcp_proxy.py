"""A TCP proxy between the service and what it stands on, which does to connections what networks do."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PIECE = 64 * 1024  # bytes passed on at once; as much waits in each direction
_NO_LINGER = struct.pack("ii", 1, 0)  # closing then sends RST


@dataclass(frozen=True, slots=True)
class Target:
    """Where a proxy leads: a Unix socket, or a port of this machine."""

    path: Path | None = None
    port: int = 0

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection; raises `OSError` where there is nobody."""
        if self.path is not None:
            return await asyncio.open_unix_connection(self.path)
        return await asyncio.open_connection("127.0.0.1", self.port)


class TcpProxy:
    """Passes bytes on, both ways, as slowly as it is told. Use `tcp_proxy`.

    Attributes:
        port: on loopback, the same after `refuse`.
        delay: seconds by which each piece is held back.
        rate: bytes a second for each connection and direction; 0: as fast as they come.
        cut_after: answers end for good after so many bytes more, once; None: they do not.
    """

    def __init__(self, target: Target) -> None:
        self.port = 0
        self.delay = 0.0
        self.rate = 0.0
        self.cut_after: int | None = None
        self._target = target
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._callers: set[asyncio.StreamWriter] = set()

    def leads_to(self, *, path: Path | None = None, port: int = 0) -> None:
        """Lead somewhere else from now on."""
        self._target = Target(path, port)

    async def listen(self) -> None:
        """Take connections, again after `refuse`."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Take no connection, and reset those that are open: nobody listens any more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()

    def freeze(self) -> None:
        """Pass nothing on; connections stay open, and new ones are taken."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Pass on again, what was held back first."""
        self._flowing.set()

    def reset(self) -> None:
        """End every connection as a machine does that knows nothing of it."""
        for writer in self._open:
            with suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            writer.transport.abort()

    async def close(self) -> None:
        """End."""
        self.refuse()
        passing = list(self._passing)
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        self._open.add(writer)
        self._callers.add(writer)
        try:
            await self._pass_both(reader, writer)
        except (OSError, asyncio.CancelledError):  # nobody waits for this task: Python 3.11 would complain of it
            writer.transport.abort()
        finally:
            self._open.discard(writer)
            self._callers.discard(writer)
            self._passing.discard(task)

    async def _pass_both(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onwards = await self._target.connect()
        self._open.add(onwards)
        both = [asyncio.create_task(self._pass(reader, onwards)), asyncio.create_task(self._pass(there, writer))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.discard(onwards)
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            for each in (writer, onwards):
                each.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE):
            if self.delay:
                await asyncio.sleep(self.delay)
            await self._flowing.wait()
            if self.cut_after is not None and writer in self._callers:
                piece, self.cut_after = piece[: self.cut_after], self.cut_after - len(piece)
            writer.write(piece)
            await writer.drain()
            if self.cut_after is not None and self.cut_after <= 0:
                self.cut_after = None
                return
            if self.rate:
                await asyncio.sleep(len(piece) / self.rate)


@asynccontextmanager
async def tcp_proxy(*, path: Path | None = None, port: int = 0) -> AsyncGenerator[TcpProxy]:
    """A proxy to a Unix socket or a port of this machine, for as long as the block runs."""
    proxy = TcpProxy(Target(path, port))
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.close()
