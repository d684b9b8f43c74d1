"""Those who watch jobs while something fails, and never give up: they poll, wait and stream, now here and now there."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import cycle, islice
from random import random
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from faulting.verdict import SLOW, Answer, Sight, Transport, Watched
from running.events import Event, EventParser
from running.jobs import SET, batch

POLL_EVERY = 0.2  # seconds
SUBMIT_EVERY = 0.5  # seconds
RETURN_WITHIN = 0.5  # seconds, spread: sooner than any browser, so that a fault is met more often
WAIT = 5  # seconds
OPENING = 50  # streams at once: more would only wait in the worker's backlog
GIVE_UP = 90.0  # seconds after which a job's end will not come any more


class Watchers:
    """Whoever watches, and what they have seen.

    Args:
        client: for polls, waits and submits.
        urls: of the workers; each call goes to the next of them.
    """

    def __init__(self, client: httpx.AsyncClient, urls: Sequence[str]) -> None:
        self.watched: list[Watched] = []
        self.accepted: list[str] = []
        self._client = client
        self._urls = urls
        self._tasks: list[asyncio.Task[None]] = []
        self._submitting: asyncio.Task[None] | None = None
        self._opening = asyncio.Semaphore(OPENING)

    def poll(self, job_id: str) -> None:
        """Watch a job by conditional polls."""
        self._watch(job_id, Transport.POLL, self._poll)

    def wait(self, job_id: str) -> None:
        """Watch a job by long polls."""
        self._watch(job_id, Transport.WAIT, self._wait)

    def stream(self, job_id: str) -> None:
        """Watch a job by a stream."""
        self._watch(job_id, Transport.STREAM, self._stream)

    def crowd(self, job_id: str, count: int) -> None:
        """Watch a job by so many streams, all of the first worker."""
        for _ in range(count):
            self._watch(job_id, Transport.STREAM, self._stream, first=0)

    def submit(self) -> None:
        """Submit job after job from now on, each until it is accepted."""
        self._submitting = asyncio.create_task(self._submit_on())

    async def streaming(self) -> None:
        """Wait until every stream has had its first event."""
        async with asyncio.timeout(GIVE_UP):
            while not all(watched.sights for watched in self.watched if watched.transport is Transport.STREAM):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def finish(self) -> None:
        """Wait until all have seen their job's end, or will not any more; what was submitted is watched too."""
        if self._submitting is not None:
            self._submitting.cancel()
            await asyncio.gather(self._submitting, return_exceptions=True)
        for job_id in self.accepted:
            self.wait(job_id)
        _, late = await asyncio.wait(self._tasks, timeout=GIVE_UP)
        for task in late:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    def leave(self) -> None:
        """Stop watching, whatever was seen."""
        for task in [*self._tasks, *([self._submitting] if self._submitting else [])]:
            task.cancel()

    def _watch(
        self,
        job_id: str,
        transport: Transport,
        how: Callable[[Watched, list[str]], Awaitable[None]],
        first: int | None = None,
    ) -> None:
        watched = Watched(job_id, transport)
        begin = len(self.watched) if first is None else first  # each with another worker, unless one is named
        urls = list(islice(cycle(self._urls), begin, begin + len(self._urls)))
        self.watched.append(watched)
        self._tasks.append(asyncio.ensure_future(how(watched, urls)))

    async def _poll(self, watched: Watched, urls: list[str]) -> None:
        seen: dict[str, str] = {}
        for url in cycle(urls):
            if watched.ended:
                return
            await self._ask(watched, url, seen, {})
            await asyncio.sleep(POLL_EVERY)

    async def _wait(self, watched: Watched, urls: list[str]) -> None:
        seen: dict[str, str] = {}
        for url in cycle(urls):
            if watched.ended:
                return
            if not await self._ask(watched, url, seen, {"wait": str(WAIT)}):
                await asyncio.sleep(RETURN_WITHIN * random())  # noqa: S311 - nothing secret

    async def _ask(self, watched: Watched, url: str, seen: dict[str, str], query: dict[str, str]) -> bool:
        """One poll or wait; answers whether it showed a state. `seen` holds the validator."""
        asked, began = time.time(), time.monotonic()
        answer = await self._first_answer(url, f"{SET}/{watched.job_id}", seen, query)
        took = time.monotonic() - began
        version = 0
        if answer is not None and answer.status_code in {200, 304}:
            seen["If-None-Match"] = answer.headers["etag"]
            version = self._note(watched, answer)
        if watched.transport is Transport.POLL:
            marked = answer is not None and "age" in answer.headers
            watched.answers.append(Answer(asked, took, version, marked))
        return version > 0

    async def _first_answer(
        self, first: str, path: str, headers: dict[str, str], query: dict[str, str]
    ) -> httpx.Response | None:
        """Ask a worker, or the next where nobody listens, as a balancer does; None where an answer was cut or late."""
        at = self._urls.index(first)
        for url in [*self._urls[at:], *self._urls[:at]]:
            with suppress(httpx.ConnectError):
                try:
                    return await self._client.get(f"{url}{path}", params=query, headers=headers, timeout=SLOW)
                except (httpx.TimeoutException, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                    return None
        return None

    @staticmethod
    def _note(watched: Watched, answer: httpx.Response) -> int:
        if answer.status_code == 304:
            return watched.last
        job = answer.json()
        watched.sights.append(Sight(time.time(), job["version"], job["status"]))
        return job["version"]

    async def _stream(self, watched: Watched, urls: list[str]) -> None:
        for url in cycle(urls):
            pause = RETURN_WITHIN
            try:
                async with _events(url, f"{SET}/{watched.job_id}/events", watched.last, self._opening) as events:
                    async for event in events:
                        if event.event == "job":
                            watched.sights.append(Sight(time.time(), event.version, event.job["status"]))
            except _RefusedError as refused:
                pause = max(pause, 2 * refused.retry_after)
            except (OSError, EOFError, TimeoutError):
                pass
            if watched.ended:
                return
            await asyncio.sleep(pause * (1 + random()) / 2)  # noqa: S311 - nothing secret

    async def _submit_on(self) -> None:
        for url in cycle(self._urls):
            await self._submit(url)
            await asyncio.sleep(SUBMIT_EVERY)

    async def _submit(self, url: str) -> None:
        """One job, sent again with its key until it is accepted."""
        key = {"Idempotency-Key": f'"{uuid4()}"'}
        while True:
            with suppress(httpx.TransportError):
                body = batch(script="in_progress 0.5s, succeeded")
                answer = await self._client.post(f"{url}{SET}", json=body, headers=key, timeout=SLOW)
                if answer.status_code == 202:
                    self.accepted.append(answer.json()["id"])
                    return
                assert answer.status_code in {409, 503}, answer.text
            await asyncio.sleep(SUBMIT_EVERY)


class _RefusedError(Exception):
    """The worker gave no stream, and said when to ask again."""

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after


@asynccontextmanager
async def _events(url: str, path: str, last: int, opening: asyncio.Semaphore) -> AsyncGenerator[AsyncIterator[Event]]:
    """A stream over a socket of its own, resumed after the version `last`: thousands are cheap so."""
    async with opening, asyncio.timeout(SLOW):
        reader, writer = await _opened(url, path, last)
    try:
        yield _parsed(reader)
    finally:
        writer.close()


async def _opened(url: str, path: str, last: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(url)
    resumed = f"Last-Event-ID: {last}\r\n" if last else ""
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
        raise _RefusedError(float(told[1]) if told else 0)
    return reader, writer


async def _parsed(reader: asyncio.StreamReader) -> AsyncIterator[Event]:
    """Events out of chunks (RFC 9112, section 7.1)."""
    parser = EventParser()
    while size := int(await reader.readuntil(b"\r\n"), 16):
        chunk = await reader.readexactly(size + 2)
        for item in parser.feed(chunk[:-2]):
            if isinstance(item, Event):
                yield item
