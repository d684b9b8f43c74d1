"""The feeds of one node without its HTTP, and readers of their logs that remember what they were told."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from in_process.nodes import running
from in_process.sources import Door
from polling_api.domain.places import Horizon, Moves, Place, Visited, Visits
from polling_api.hub import Hub, Transport
from polling_api.watch import Bounds, ClientFeed, ClientFeeds, ReplaySource


@dataclass(frozen=True, slots=True)
class FeedNode:
    """What a process of the service is made of, as far as clients' streams need it."""

    hub: Hub
    feeds: ClientFeeds


@asynccontextmanager
async def running_feeds(source: ReplaySource, transport: Transport, bounds: Bounds) -> AsyncGenerator[FeedNode]:
    """A node that listens, for as long as the block runs; what fails in it fails the test."""
    hub = Hub(transport)
    feeds = ClientFeeds(source, hub, bounds)
    hub.join(feeds)
    async with running(hub, feeds.run):
        yield FeedNode(hub, feeds)


class LogReader:
    """Reads a client's log from where it joins, unless it `pauses`."""

    def __init__(self) -> None:
        self.reached = 0
        self.told: list[tuple[str, int]] = []
        self.cut_off = False
        self._feed: ClientFeed | None = None
        self._pausing = False
        self._changed = asyncio.Event()

    async def join(self, feeds: ClientFeeds, client_id: str) -> ClientFeed:
        """Follow a client, from now on."""
        feed = feeds.follow(client_id, self)
        joint = await feeds.joint(feed)
        self._feed, self.reached = feed, joint.number
        self.told += [(told.snapshot.job.id, told.snapshot.job.version) for told in joint.ahead]
        self.changed(feed)
        return feed

    def changed(self, feed: ClientFeed) -> None:
        if self._feed is None or self._pausing:
            return
        news = feed.after(self.reached)
        if news is None:
            self.cut_off = True
        else:
            self.told += [(told.snapshot.job.id, told.snapshot.job.version) for told in news]
            self.reached = feed.number
        self._changed.set()

    def pause(self) -> None:
        """Take nothing more for now."""
        self._pausing = True

    def go_on(self) -> None:
        """Take everything again."""
        self._pausing = False
        if self._feed is not None:
            self.changed(self._feed)

    def versions(self, job_id: str) -> list[int]:
        """The versions of a job that it was told, in order."""
        return [version for told, version in self.told if told == job_id]

    async def told_of(self, job_id: str, version: int, within: float = 5.0) -> None:
        """Return when it knows a version of a job that is at least `version`."""
        async with asyncio.timeout(within):
            while max(self.versions(job_id), default=0) < version:
                self._changed.clear()
                await self._changed.wait()


class HeldReplaySource:
    """The primary, whose answers are counted, and can be held after they were read."""

    def __init__(self, primary: ReplaySource) -> None:
        self._primary = primary
        self.asked: list[list[str]] = []
        self.visited = 0
        self.after_moves = Door()

    def use(self, primary: ReplaySource) -> None:
        """Ask another one from now on."""
        self._primary = primary

    async def moves(self, places: Mapping[str, Place | None], *, limit: int) -> Mapping[str, Moves]:
        self.asked.append(sorted(places))
        pages = await self._primary.moves(places, limit=limit)
        await self.after_moves.passing()
        return pages

    async def visits(self, client_id: str, since: Horizon, *, after: Visited | None, limit: int) -> Visits:
        self.visited += 1
        return await self._primary.visits(client_id, since, after=after, limit=limit)
