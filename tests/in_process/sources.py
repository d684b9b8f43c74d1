"""The real primary, with a hold on the moments at which it is read."""

import asyncio
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job
from polling_api.store.jobs import Differences
from polling_api.store.source import PrimarySource


class Door:
    """A point that a call passes once it is open; who stands at it can be waited for."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._reached = asyncio.Event()
        self._open.set()

    def close(self) -> None:
        """Hold the next call that comes."""
        self._open.clear()
        self._reached.clear()

    def open(self) -> None:
        """Let all calls pass."""
        self._open.set()

    async def reached(self) -> None:
        """Return when a call stands before the closed door."""
        async with asyncio.timeout(20):
            await self._reached.wait()

    async def passing(self) -> None:
        """Pass, as soon as the door is open."""
        self._reached.set()
        await self._open.wait()


class HeldSource:
    """The primary, whose reads are counted, and can be held just before they are made or are answered."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._primary = PrimarySource(engine)
        self.reads = 0
        self.before_read = Door()
        self.after_read = Door()
        self.comparisons = 0
        self.after_comparison = Door()

    def use(self, engine: AsyncEngine) -> None:
        """Read through another pool from now on."""
        self._primary = PrimarySource(engine)

    async def read(self, ids: Collection[str]) -> Mapping[str, Job]:
        self.reads += 1
        await self.before_read.passing()
        found = await self._primary.read(ids)
        await self.after_read.passing()
        return found

    async def differing(self, known: Collection[Job]) -> Differences:
        self.comparisons += 1
        differences = await self._primary.differing(known)
        await self.after_comparison.passing()
        return differences

    async def statuses_after(self, after: Mapping[str, int]) -> Mapping[str, list[Job]]:
        return await self._primary.statuses_after(after)


@contextmanager
def statements_of(engine: AsyncEngine) -> Generator[list[str]]:
    """The statements that are sent through `engine` while the block runs."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)
