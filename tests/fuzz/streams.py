"""Streams that stay open while other things are done, read to their end in the background."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from running.events import Event, open_events

NOT_THERE = -1  # in place of a version
WITHIN = 20.0  # seconds for a stream whose jobs have all ended


@dataclass
class Arrival:
    """An event, and when it came (monotonic seconds)."""

    event: Event
    at: float


@dataclass(eq=False)
class OpenStream:
    """One stream.

    Attributes:
        node: that holds it.
        ids: of the jobs.
        seen: the version that the reader had seen of each job, `NOT_THERE` if it was told so; without those of which
            it had seen nothing.
        many: whether its ids are cursors.
        arrived: all events so far.
        told: how many of them have been looked at.
        so_far: `seen`, with what they have told.
        at: when it was asked for (monotonic seconds).
        status: of the answer, None before it came.
        problem: what it was refused with.
    """

    node: int
    ids: Sequence[str]
    seen: Mapping[str, int]
    many: bool
    at: float = field(default_factory=time.monotonic)
    arrived: list[Arrival] = field(default_factory=list[Arrival])
    told: int = 0
    so_far: dict[str, int] = field(default_factory=dict[str, int])
    status: int | None = None
    problem: dict[str, Any] | None = None
    reading: "asyncio.Task[None] | None" = None

    async def begin(
        self, client: httpx.AsyncClient, url: str, last_event_id: str | None, params: Mapping[str, str]
    ) -> None:
        """Ask, and return as soon as the answer begins."""
        answered = asyncio.Event()
        self.reading = asyncio.create_task(self._read(client, url, last_event_id, params, answered))
        async with asyncio.timeout(WITHIN):
            await answered.wait()

    async def end(self) -> None:
        """Wait until the server has ended it."""
        assert self.reading is not None
        async with asyncio.timeout(WITHIN):
            await self.reading

    async def abandon(self) -> None:
        """Go away."""
        if self.reading is not None:
            self.reading.cancel()

    def __post_init__(self) -> None:
        self.so_far.update(self.seen)

    def news(self) -> list[Arrival]:
        """The events that have not been looked at."""
        news = self.arrived[self.told :]
        self.told += len(news)
        return news

    async def _read(
        self,
        client: httpx.AsyncClient,
        url: str,
        last_event_id: str | None,
        params: Mapping[str, str],
        answered: asyncio.Event,
    ) -> None:
        try:
            async with open_events(client, url, last_event_id=last_event_id, params=params) as reader:
                self.status = reader.response.status_code
                answered.set()
                if self.status >= 400:
                    await reader.response.aread()
                    self.problem = reader.response.json()
                    return
                while True:
                    self.arrived.append(Arrival(await reader.event(within=120), time.monotonic()))
        except StopAsyncIteration:
            pass
        finally:
            answered.set()
