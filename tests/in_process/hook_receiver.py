"""Receivers of webhooks on loopback, which remember what they were told, and answer as a test says."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import orjson

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops"


class Told(NamedTuple):
    """One message that came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Its `webhook-id`."""
        return self.headers["webhook-id"]

    @property
    def document(self) -> dict[str, Any]:
        """What it says."""
        return orjson.loads(self.body)

    @property
    def job_id(self) -> str:
        """The job that it tells of."""
        return self.document["data"]["id"]

    @property
    def version(self) -> int:
        """Of the job that it tells of."""
        return self.document["data"]["version"]


Answering = Callable[[Told], Awaitable[bytes]]


async def well(_told: Told) -> bytes:
    """Take it."""
    return OK


async def never(_told: Told) -> bytes:
    """Hang until the connection ends."""
    await asyncio.Event().wait()
    return OK


class HookReceiver:
    """A receiver.

    Attributes:
        told: the messages that came, in order, also those that were not answered yet.
        answered: how many were.
        under_way: how many are being answered.
        most_under_way: how many were at once.
    """

    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.told: list[Told] = []
        self.answered = self.under_way = self.most_under_way = 0
        self.base = ""
        self._news = asyncio.Event()

    def url(self, path: str = "/") -> str:
        """Where it listens."""
        return self.base + path

    @property
    def ids(self) -> list[str]:
        """Of all messages that came."""
        return [one.id for one in self.told]

    async def until(self, reached: Callable[[], bool], within: float = 20) -> None:
        """Wait for something that messages bring about.

        Raises:
            TimeoutError: it does not come about.
        """
        async with asyncio.timeout(within):
            while not reached():
                self._news.clear()
                await self._news.wait()

    async def until_told(self, count: int, within: float = 20) -> None:
        """Wait for so many messages in all."""
        await self.until(lambda: len(self.told) >= count, within)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the messages of one connection."""
        try:
            while True:
                told = await _read(reader)
                self.told.append(told)
                self.under_way += 1
                self.most_under_way = max(self.under_way, self.most_under_way)
                self._news.set()
                try:
                    writer.write(await self.answer(told))
                    await writer.drain()
                    self.answered += 1
                    self._news.set()
                finally:
                    self.under_way -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Told:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.rstrip().split("\r\n")
    fields = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in fields}
    return Told(first.split(" ")[1], headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@asynccontextmanager
async def hook_receiver(answer: Answering = well) -> AsyncGenerator[HookReceiver]:
    """A receiver on a port of its own for the time of a test."""
    receiver = HookReceiver(answer)
    connections = set[asyncio.Task[None]]()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await receiver.take(reader, writer)
        except asyncio.CancelledError:
            writer.close()
        finally:
            connections.discard(task)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    receiver.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
