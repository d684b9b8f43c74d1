"""Bytes on a socket, for requests that no HTTP client would send."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import orjson

from running.asking import search_answer

WITHIN = 10.0  # seconds; far above what any answer here takes

_REQUEST_LINE = re.compile(rb"[A-Z]+ ([^ ?]+)[^ ]* HTTP/")


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer as it came. Field names are in lower case; a field that came twice keeps its last value."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        """The problem's code."""
        return self.json["code"]


class RawConnection:
    """A connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._path = ""

    async def send(self, data: bytes) -> None:
        """Send bytes, as far as the system takes them."""
        if found := _REQUEST_LINE.match(data):
            self._path = found[1].decode("latin-1")
        self._writer.write(data)
        async with asyncio.timeout(WITHIN):
            await self._writer.drain()

    async def answer(self, *, head: bool = False, within: float = WITHIN) -> RawAnswer:
        """Read the next answer to its end; that of a `HEAD` has no body.

        Raises:
            IncompleteReadError: the connection ended before it.
            TimeoutError: it did not come within so many seconds.
        """
        async with asyncio.timeout(within):
            begun = await self.head()
            bodiless = head or begun.status in {100, 204, 304}
            body = b"" if bodiless else await self._body(begun.headers)
            search_answer(begun.headers, body.decode("latin-1"), self._path)
            return replace(begun, body=body)

    async def head(self) -> RawAnswer:
        """Read the head of the next answer, and leave its body.

        Raises:
            IncompleteReadError: the connection ended before it.
            TimeoutError: it did not come within 10 s.
        """
        async with asyncio.timeout(WITHIN):
            lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(_field(line) for line in lines[1:] if line)
        return RawAnswer(int(lines[0].split()[1]), headers, b"")

    async def rest(self) -> bytes:
        """All that comes until the server closes its side.

        Raises:
            TimeoutError: it did not within 10 s.
        """
        async with asyncio.timeout(WITHIN):
            return await self._reader.read()

    def finish(self) -> None:
        """Close our side, and go on reading."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Be gone at once, as a process that was killed: with a reset, not an end."""
        own: socket.socket = self._writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await self._reader.readexactly(int(headers["content-length"]))
        body = b""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)
        return body


@asynccontextmanager
async def raw_connection(port: int) -> AsyncGenerator[RawConnection]:
    """A connection to a port of this machine, for as long as the block runs."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.transport.abort()


async def ask(port: int, request: bytes) -> RawAnswer:
    """The answer to the bytes of one request, on a connection of its own."""
    async with raw_connection(port) as connection:
        await connection.send(request)
        return await connection.answer(head=request.startswith(b"HEAD "))


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()
