"""The server's side of a connection, without the connection: what is sent through it, and a reader who may be slow."""

import asyncio
from collections.abc import Sequence

from starlette.types import Message

from running.events import Event, EventParser


class Socket:
    """Collects an answer. While it is `full`, whoever writes has to wait."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.ended = asyncio.Event()
        self.writes = 0
        self._body = bytearray()
        self._room = asyncio.Event()
        self._room.set()

    async def send(self, message: Message) -> None:
        """ASGI's `send`."""
        await self._room.wait()
        self.writes += 1
        self.status = message.get("status", self.status)
        self._body += message.get("body", b"")
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.ended.set()

    def fill(self) -> None:
        """Take nothing more for now."""
        self._room.clear()

    def empty(self) -> None:
        """Take everything again."""
        self._room.set()

    @property
    def body(self) -> bytes:
        """All that was sent."""
        return bytes(self._body)

    @property
    def events(self) -> Sequence[Event]:
        """What was sent, as events."""
        return [item for item in EventParser().feed(self.body) if isinstance(item, Event)]

    async def end(self, within: float = 5.0) -> None:
        """Return when the answer is complete."""
        async with asyncio.timeout(within):
            await self.ended.wait()
