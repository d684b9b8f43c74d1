"""Streams over sockets of their own, resumed by the last id: thousands are cheap so."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from faulting.verdict import SLOW
from running.events import Event, EventParser


class RefusedError(Exception):
    """The worker gave no stream, and said when to ask again."""

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after


@asynccontextmanager
async def events(url: str, path: str, last_id: str, opening: asyncio.Semaphore) -> AsyncGenerator[AsyncIterator[Event]]:
    """A stream, resumed after the event `last_id`; empty for a first visit.

    Raises:
        RefusedError: the worker gave none.
        OSError, EOFError, TimeoutError: it broke, now or later.
    """
    async with opening, asyncio.timeout(SLOW):
        reader, writer = await _opened(url, path, last_id)
    try:
        yield _parsed(reader)
    finally:
        writer.close()


async def _opened(url: str, path: str, last_id: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(url)
    resumed = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n{resumed}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
    except BaseException:
        writer.close()
        raise
    if not head.startswith(b"HTTP/1.1 200 "):
        writer.close()
        told = re.search(rb"retry-after: (\d+)", head)
        raise RefusedError(float(told[1]) if told else 0)
    return reader, writer


async def _parsed(reader: asyncio.StreamReader) -> AsyncIterator[Event]:
    """Events out of chunks (RFC 9112, section 7.1)."""
    parser = EventParser()
    while size := int(await reader.readuntil(b"\r\n"), 16):
        chunk = await reader.readexactly(size + 2)
        for item in parser.feed(chunk[:-2]):
            if isinstance(item, Event):
                yield item
