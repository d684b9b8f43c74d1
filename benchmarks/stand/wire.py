"""Requests and answers byte by byte: how many of each there are."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

PATIENCE = 60.0  # seconds for an answer


@dataclass(frozen=True, slots=True)
class Answer:
    """One, whole.

    `sent` and `received` are the bytes of the request and of the answer with its head, as they are on the wire.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent: int
    received: int


class Wire:
    """A connection that is kept open from one request to the next."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, url: str) -> Self:
        """Connect to a server."""
        address = urlsplit(url)
        return cls(*await asyncio.open_connection(address.hostname, address.port))

    async def ask(self, request: bytes) -> Answer:
        """Send a request, and read its answer, which has to say how long it is."""
        self._writer.write(request)
        async with asyncio.timeout(PATIENCE):
            head = await self._reader.readuntil(b"\r\n\r\n")
            named = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
            headers = {name.lower(): value for name, value in named}
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(head[9:12]), headers, body, len(request), len(head) + len(body))

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def ask_once(url: str, request: bytes) -> Answer:
    """The answer to one request."""
    wire = await Wire.to(url)
    try:
        return await wire.ask(request)
    finally:
        wire.close()
