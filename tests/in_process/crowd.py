"""Very many HTTP clients in one process: a socket each, and no more code than that takes."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from polling_api.domain.job import Job

PATIENCE = 40.0  # seconds for a whole answer, far beyond every promise
BUFFERED = 64 * 1024  # bytes: every answer is smaller
AT_ONCE = 100  # connections being opened, so that none waits in the backlog for long


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer, head and body as they came, and when it was complete (epoch)."""

    raw: bytes
    at: float

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.raw[9:12])

    @property
    def statuses(self) -> list[str]:
        """The job statuses that the body shows, in order."""
        return [found.decode() for found in re.findall(rb'"status":"(\w+)"', self.raw)]

    @property
    def delay(self) -> float:
        """Seconds from the last version that the body shows to the end of the answer."""
        updated_at = re.findall(rb'"updated_at":"([^"]+)"', self.raw)[-1].decode()
        return self.at - datetime.fromisoformat(updated_at).timestamp()


class Connection:
    """One request on a connection of its own, which the server closes after the answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def first_bytes(self) -> bytes:
        """What comes first: the head, and the first event of a stream."""
        async with asyncio.timeout(PATIENCE):
            return await self._reader.read(BUFFERED)

    async def answered(self) -> Answered:
        """Read until the server closes."""
        try:
            async with asyncio.timeout(PATIENCE):
                raw = await self._reader.read(-1)
            return Answered(raw, time.time())
        finally:
            await self.leave()

    async def leave(self) -> None:
        """Hang up."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


def spread(jobs: Sequence[Job], ending: str, count: int) -> list[str]:
    """So many addresses, of one job after the other: `ending` follows the job's own."""
    return [f"/api/v1/jobs/{jobs[number % len(jobs)].id}{ending}" for number in range(count)]


async def ask(url: str, path: str) -> Connection:
    """Send a `GET`, and return before it is answered."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=BUFFERED)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n".encode())
    return Connection(reader, writer)


async def ask_all(url: str, paths: Iterable[str]) -> list[Connection]:
    """Ask for each path on a connection of its own."""
    opening = asyncio.Semaphore(AT_ONCE)

    async def one(path: str) -> Connection:
        async with opening:
            return await ask(url, path)

    return list(await asyncio.gather(*map(one, paths)))


async def answers(connections: Iterable[Connection]) -> list[Answered]:
    """The whole answers, as soon as all are complete."""
    return list(await asyncio.gather(*(connection.answered() for connection in connections)))


@asynccontextmanager
async def idle_streams(url: str, paths: Iterable[str]) -> AsyncGenerator[list[Connection]]:
    """Streams that have had their first event and now wait; they hang up when the block ends."""
    connections = await ask_all(url, paths)
    try:
        await asyncio.gather(*(connection.first_bytes() for connection in connections))
        yield connections
    finally:
        await asyncio.gather(*(connection.leave() for connection in connections))


@asynccontextmanager
async def idle_waits(url: str, paths: Iterable[str]) -> AsyncGenerator[list[Connection]]:
    """Requests that wait for what does not come; they hang up when the block ends."""
    connections = await ask_all(url, paths)
    try:
        yield connections
    finally:
        await asyncio.gather(*(connection.leave() for connection in connections))


async def held(url: str, transport: str) -> int:
    """How many requests a worker says it holds open: `wait` or `stream`."""
    connection = await ask(url, "/metrics")
    metrics = (await connection.answered()).raw
    found = re.search(rb'polling_held\{transport="%s"\} (\S+)' % transport.encode(), metrics)
    return int(float(found[1])) if found else 0


async def until_held(url: str, transport: str, count: int, within: float = 20.0) -> None:
    """Return when a worker holds exactly so many.

    Raises:
        TimeoutError: it does not come to that.
    """
    async with asyncio.timeout(within):
        while await held(url, transport) != count:  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.05)


class Poller:
    """A client that polls job after job over one connection, each time with what it has seen.

    Args:
        url: of the worker.
        addresses: of the jobs, as `links.self`.
        start: with which of them it begins.
        caller: the address that it says it asks from, as a proxy would say it.

    Attributes:
        took: how long each answer took, in seconds.
    """

    def __init__(self, url: str, addresses: Sequence[str], *, start: int = 0, caller: str = "") -> None:
        self.took: list[float] = []
        self._caller = f"X-Forwarded-For: {caller}\r\n".encode() if caller else b""
        self._url = url
        first = start % len(addresses)
        self._addresses = [*addresses[first:], *addresses[:first]]
        self._seen = dict.fromkeys(self._addresses, b"")

    async def connect(self) -> None:
        """Open the connection."""
        self._address = urlsplit(self._url)
        self._reader, self._writer = await asyncio.open_connection(self._address.hostname, self._address.port)

    async def poll(self, seconds: float, pause: float = 0.1) -> int:
        """Poll for so many seconds, with a pause after each answer.

        Returns:
            How many polls were answered.

        Raises:
            AssertionError: one was, with neither `200` nor `304`.
        """
        count = 0
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            await self._poll(self._addresses[count % len(self._addresses)])
            count += 1
            await asyncio.sleep(pause)
        self._writer.close()
        return count

    async def _poll(self, path: str) -> None:
        host = self._address.netloc
        fields = self._seen[path] + self._caller
        began = time.perf_counter()
        self._writer.write(b"GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (path.encode(), host.encode(), fields))
        head = await self._reader.readuntil(b"\r\n\r\n")
        self.took.append(time.perf_counter() - began)
        etag = re.search(rb"etag: (\S+)\r\n", head)
        assert head[9:12] in {b"200", b"304"}, head
        assert etag, head
        self._seen[path] = b"If-None-Match: %s\r\n" % etag[1]
        if length := re.search(rb"content-length: (\d+)\r\n", head):
            await self._reader.readexactly(int(length[1]))


class Guesser:
    """A client that asks for one thing after another that is not there, each time from the next of some addresses.

    Args:
        url: of the worker.
        callers: the addresses that it says it asks from.

    Attributes:
        told: how often each status was the answer.
    """

    def __init__(self, url: str, callers: Sequence[str]) -> None:
        self._address = urlsplit(url)
        self._callers = callers
        self.told = Counter[int]()

    async def ask(self, paths: Sequence[str]) -> None:
        """Ask from each address for each of its share of the paths, one after the other."""
        reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port)
        host = self._address.netloc
        for number, path in enumerate(paths):
            caller = self._callers[number % len(self._callers)]
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {caller}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)\r\n", head)
            assert length, head
            await reader.readexactly(int(length[1]))
            self.told[int(head[9:12])] += 1
        writer.close()


def percentile(took: Iterable[float], share: float) -> float:
    """The time below which so large a share (0 to 1) of some times is."""
    ordered = sorted(took)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
