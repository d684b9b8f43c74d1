"""Server-Sent Events as a browser reads them (WHATWG HTML, section 9.2), with a deadline for each."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

WITHIN = 10.0  # seconds for the next event, unless a test says otherwise


@dataclass(frozen=True, slots=True)
class Event:
    """One dispatched event; `retry` is what its own block says, in milliseconds."""

    id: str
    event: str
    data: str
    retry: int | None = None

    @property
    def job(self) -> dict[str, Any]:
        """The data as JSON."""
        return orjson.loads(self.data)

    @property
    def version(self) -> int:
        """The id as a number."""
        return int(self.id)


@dataclass(frozen=True, slots=True)
class Comment:
    """A line that begins with a colon."""

    text: str


class EventParser:
    """Bytes in, events and comments out, wherever the bytes were cut."""

    def __init__(self) -> None:
        self._pending = b""
        self._last_id = ""
        self._clear()

    def feed(self, chunk: bytes) -> list[Event | Comment]:
        """The events and comments that `chunk` completes."""
        self._pending += chunk
        # A line ends in \r\n, \n or \r: a \r at the very end may be half of the first.
        kept = b"\r" if self._pending.endswith(b"\r") else b""
        text = self._pending.removesuffix(kept).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._pending = rest + kept
        return [item for line in lines if (item := self._line(line.decode())) is not None]

    def _clear(self) -> None:
        self._event, self._data, self._retry = "", list[str](), None

    def _line(self, line: str) -> Event | Comment | None:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            return Comment(line[1:].removeprefix(" "))
        name, _, value = line.partition(":")
        self._field(name, value.removeprefix(" "))
        return None

    def _field(self, name: str, value: str) -> None:
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._last_id = value
        elif name == "retry" and value.isdecimal():
            self._retry = int(value)

    def _dispatch(self) -> Event | None:
        event = Event(self._last_id, self._event or "message", "\n".join(self._data), self._retry)
        dispatched = event if self._data else None
        self._clear()
        return dispatched


class EventReader:
    """An open stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.raw = b""
        self._parser = EventParser()
        self._chunks = response.aiter_raw()
        self._items = self._read()

    async def item(self, within: float = WITHIN) -> Event | Comment:
        """The next event or comment.

        Raises:
            TimeoutError: there was none within so many seconds.
            StopAsyncIteration: the stream has ended.
        """
        async with asyncio.timeout(within):
            return await anext(self._items)

    async def event(self, within: float = WITHIN) -> Event:
        """The next event; comments before it are skipped. Raises as `item` does."""
        async with asyncio.timeout(within):
            while not isinstance(found := await anext(self._items), Event):
                pass
            return found

    async def comment(self, within: float = WITHIN) -> Comment:
        """The next item, which has to be a comment. Raises as `item` does."""
        found = await self.item(within)
        assert isinstance(found, Comment), f"an event came instead of a comment: {found}"
        return found

    async def rest(self, within: float = 60.0) -> list[Event]:
        """All events until the server ends the stream.

        Raises:
            TimeoutError: it had not ended by then.
        """
        async with asyncio.timeout(within):
            return [item async for item in self._items if isinstance(item, Event)]

    async def _read(self) -> AsyncIterator[Event | Comment]:
        async for chunk in self._chunks:
            self.raw += chunk
            for item in self._parser.feed(chunk):
                yield item


@asynccontextmanager
async def open_events(
    client: httpx.AsyncClient,
    url: str,
    *,
    last_event_id: str | int | None = None,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncGenerator[EventReader]:
    """Open a stream; the client goes away when the block ends.

    Args:
        client: bound to a worker.
        url: as `links.events`.
        last_event_id: sent as the header, as an EventSource does after a reconnect.
        params: the query.
        headers: further ones.
    """
    sent = {"Accept": "text/event-stream", "Cache-Control": "no-store", **(headers or {})}
    if last_event_id is not None:
        sent["Last-Event-ID"] = str(last_event_id)
    # Every event has its own deadline, so the connection itself needs none for reading.
    timeout = httpx.Timeout(WITHIN, read=None)
    async with client.stream("GET", url, params=params, headers=sent, timeout=timeout) as response:
        yield EventReader(response)
