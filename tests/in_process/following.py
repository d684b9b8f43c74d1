"""Followers that remember what they were told."""

import asyncio

from polling_api.watch import Topic


class Witness:
    """Remembers the versions that a topic had when it was told of them, and whether the job is gone."""

    def __init__(self) -> None:
        self.versions: list[int] = []
        self.gone = False
        self.set_back_to: list[int] = []
        self._changed = asyncio.Event()

    def changed(self, topic: Topic) -> None:
        self.gone = topic.gone
        if topic.snapshot is not None and not topic.gone:
            self.versions.append(topic.snapshot.job.version)
        self._changed.set()

    def set_back(self, topic: Topic) -> None:
        assert topic.snapshot is not None
        self.set_back_to.append(topic.snapshot.job.version)
        self._changed.set()

    async def told_of(self, version: int, within: float = 30.0) -> None:
        """Return when it knows a version that is at least `version`."""
        async with asyncio.timeout(within):
            while max(self.versions, default=0) < version:
                self._changed.clear()
                await self._changed.wait()

    async def told_that_it_is_gone(self, within: float = 30.0) -> None:
        """Return when it knows that the job was deleted."""
        async with asyncio.timeout(within):
            while not self.gone:
                self._changed.clear()
                await self._changed.wait()
