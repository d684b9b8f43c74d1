"""Three ways to follow a job, as a client would write them, each with an account of what it cost."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import httpx
import orjson

WAIT = 30  # seconds a long poll asks for
RETRY_AFTER = 1.0  # seconds, where the server was away
READ_WITHIN = 40.0  # seconds: a long poll and a keep-alive are both sooner


@dataclass(slots=True)
class Account:
    """What a follower has done and seen. `delays` are seconds from a version's commit to its being seen."""

    requests: int = 0
    not_modified: int = 0
    bytes: int = 0
    job: dict[str, Any] = field(default_factory=dict[str, Any])
    delays: list[float] = field(default_factory=list[float])

    def heard(self, response: httpx.Response) -> None:
        """Count a response's head, and its body where it is read already."""
        head = sum(len(name) + len(value) + 4 for name, value in response.headers.raw)
        self.bytes += head + response.num_bytes_downloaded

    def saw(self, job: dict[str, Any]) -> None:
        """Take a version, and how long it took to get here."""
        if job["version"] == self.job.get("version"):
            return
        self.job = job
        self.delays.append((datetime.now(UTC) - datetime.fromisoformat(job["updated_at"])).total_seconds())

    @property
    def finished(self) -> bool:
        """Whether the job's end was seen."""
        return bool(self.job.get("terminal"))


def pause_asked(response: httpx.Response) -> float:
    """Seconds after which the service, which has refused, will hear of us again; 0 where it has not."""
    return float(response.headers.get("retry-after", RETRY_AFTER)) if response.is_error else 0


class Follower(ABC):
    """Follows one job to its end.

    Args:
        client: at the service's address.
        path: the job's.
    """

    name: str

    def __init__(self, client: httpx.AsyncClient, path: str) -> None:
        self.client = client
        self.path = path
        self.account = Account()

    async def follow(self) -> None:
        """Follow until the job's end; where the server is away, come back."""
        while not self.account.finished:
            try:
                await self.step()
            except httpx.TransportError:
                await asyncio.sleep(RETRY_AFTER)

    @abstractmethod
    async def step(self) -> None:
        """Ask once, or stay connected once."""


class Poller(Follower):
    """Asks again and again, at the pace the service suggests; what it has seen already costs a `304`."""

    name = "conditional polling"

    def __init__(self, client: httpx.AsyncClient, path: str) -> None:
        super().__init__(client, path)
        self.etag: str | None = None

    async def step(self) -> None:
        """Ask, then sleep as long as `X-Poll-Interval` says."""
        response = await self.ask({})
        pace = float(response.headers.get("x-poll-interval", "5"))
        await asyncio.sleep(0 if self.account.finished else pause_asked(response) or pace)

    async def ask(self, parameters: dict[str, str | int]) -> httpx.Response:
        """One conditional request."""
        headers = {"cache-control": "no-cache"} | ({"if-none-match": self.etag} if self.etag else {})
        self.account.requests += 1
        response = await self.client.get(self.path, params=parameters, headers=headers, timeout=READ_WITHIN)
        self.account.heard(response)
        if response.status_code == HTTPStatus.NOT_MODIFIED:
            self.account.not_modified += 1
        elif response.is_success:
            self.etag = response.headers["etag"]
            self.account.saw(response.json())
        return response


class LongPoller(Poller):
    """Asks, and is answered as soon as there is something new."""

    name = "long poll"

    async def step(self) -> None:
        """Ask with a wait."""
        await asyncio.sleep(pause_asked(await self.ask({"wait": WAIT})))


class Streamer(Follower):
    """Stays connected, and is told every version as it is made."""

    name = "event stream (SSE)"

    async def step(self) -> None:
        """Read one connection to its end; another one resumes after the last version seen."""
        version = self.account.job.get("version")
        headers = {"last-event-id": str(version)} if version else {}
        self.account.requests += 1
        async with self.client.stream("GET", f"{self.path}/events", headers=headers, timeout=READ_WITHIN) as response:
            self.account.heard(response)
            async for job in self._jobs(response):
                self.account.saw(job)
        await asyncio.sleep(pause_asked(response))

    async def _jobs(self, response: httpx.Response) -> AsyncGenerator[dict[str, Any]]:
        async for line in response.aiter_lines():
            self.account.bytes += len(line) + 1
            if line.startswith("data:"):
                yield orjson.loads(line.removeprefix("data:"))
