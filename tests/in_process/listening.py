"""Listeners of a hub that remember what they were told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

from in_process.carriers import Carrier
from polling_api.hub import Hub, Notice

Heard = Notice | Literal["gap"]


class Recorder:
    """Remembers, in order."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()

    def notice(self, notice: Notice) -> None:
        self._heard.put_nowait(notice)

    def gap(self) -> None:
        self._heard.put_nowait("gap")

    async def next(self, within: float = 5.0) -> Heard:
        """What it is told next, or was told already."""
        async with asyncio.timeout(within):
            return await self._heard.get()

    async def notice_told(self) -> Notice:
        """The next, which has to be a notice."""
        heard = await self.next()
        assert isinstance(heard, Notice), "a gap was told instead of a notice"
        return heard

    async def versions_told(self, count: int) -> list[tuple[str, int]]:
        """Id and version of the next so many, which have to be notices."""
        return [(notice.job_id, notice.version) for notice in [await self.notice_told() for _ in range(count)]]


@asynccontextmanager
async def running(hub: Hub) -> AsyncGenerator[None]:
    """Run a hub for as long as the block runs; what fails in it fails the test."""
    task = asyncio.create_task(hub.run())
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await hub.close()


@asynccontextmanager
async def listening(carrier: Carrier) -> AsyncGenerator[tuple[Hub, Recorder]]:
    """A hub that listens, and what it hears after the gap that its joining is."""
    hub, recorder = Hub(carrier.transport()), Recorder()
    hub.join(recorder)
    async with running(hub):
        assert await recorder.next() == "gap"
        yield hub, recorder
