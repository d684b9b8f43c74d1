"""Those who watch jobs while something fails, and never give up: they poll, wait and stream, now here and now there."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import cycle, islice
from random import random
from uuid import uuid4

import httpx

from faulting.balancer import Balancer
from faulting.many import get_many, stream_many
from faulting.pages import read_pages
from faulting.pauses import RETURN_WITHIN, WAIT
from faulting.streams import RefusedError, events
from faulting.verdict import SLOW, Answer, Sight, Transport, Watched
from running.jobs import SET, batch

POLL_EVERY = 0.2  # seconds
SUBMIT_EVERY = 0.5  # seconds
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
        self._balancer = Balancer(client, urls)
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

    def get_many(self, ids: Sequence[str], *, wait: int) -> None:
        """Watch jobs by one conditional call for all of them, again and again, held for so many seconds."""
        watched, urls = self._watched_together(ids, Transport.MANY_WAITED if wait else Transport.MANY_POLLED)
        self._tasks.append(asyncio.ensure_future(get_many(self._balancer, watched, urls, wait=wait)))

    def stream_many(self, ids: Sequence[str]) -> None:
        """Watch jobs by one stream of all of them."""
        watched, urls = self._watched_together(ids, Transport.MANY_STREAMED)
        self._tasks.append(asyncio.ensure_future(stream_many(watched, urls, self._opening)))

    def page(self, job_id: str, items: int) -> None:
        """Watch a job by the pages of its history, and then of its results, of which there have to be `items`."""
        watched = Watched(job_id, Transport.PAGES, items=items)
        self._tasks.append(asyncio.ensure_future(read_pages(self._balancer, watched, self._workers(len(self.watched)))))
        self.watched.append(watched)

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
            while not all(watched.sights for watched in self.watched if watched.transport.live):  # noqa: ASYNC110
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
        urls = self._workers(len(self.watched) if first is None else first)  # each another, unless one is named
        self.watched.append(watched)
        self._tasks.append(asyncio.ensure_future(how(watched, urls)))

    def _watched_together(self, ids: Sequence[str], transport: Transport) -> tuple[list[Watched], list[str]]:
        watched, urls = [Watched(job_id, transport) for job_id in ids], self._workers(len(self.watched))
        self.watched += watched
        return watched, urls

    def _workers(self, first: int) -> list[str]:
        """All workers, beginning with one of them."""
        return list(islice(cycle(self._urls), first, first + len(self._urls)))

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
        answer = await self._balancer.ask(url, "GET", f"{SET}/{watched.job_id}", headers=seen, params=query)
        took = time.monotonic() - began
        version = 0
        if answer is not None and answer.status_code in {200, 304}:
            seen["If-None-Match"] = answer.headers["etag"]
            version = self._note(watched, answer)
        if watched.transport is Transport.POLL:
            marked = answer is not None and "age" in answer.headers
            watched.answers.append(Answer(asked, took, version, marked))
        return version > 0

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
                last_id = str(watched.last or "")
                async with events(url, f"{SET}/{watched.job_id}/events", last_id, self._opening) as told:
                    async for event in told:
                        if event.event == "job":
                            watched.sights.append(Sight(time.time(), event.version, event.job["status"]))
            except RefusedError as refused:
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
