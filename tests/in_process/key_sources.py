"""The real primary as the keyring asks it, with a hold on the moments at which its answers come."""

import time
from collections.abc import Awaitable, Collection, Mapping
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.sources import Door
from polling_api.errors import Unavailable
from polling_api.store.good_keys import End, PrimaryKeys, SealedKey

Answer = TypeVar("Answer")


class HeldKeys(PrimaryKeys):
    """Answers pass a door after they were read, so that they can be made to come late.

    Attributes:
        found, told: the doors of `find` and of `ends`.
        asked: the calls so far, each by name with the ids it was about.
        away: whether the primary seems not to answer.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self.found, self.told = Door(), Door()
        self.asked: list[tuple[str, frozenset[str]]] = []
        self.away = False

    async def find(self, ids: Collection[str]) -> Mapping[str, SealedKey]:
        return await self._through(self.found, "find", ids, super().find(ids))

    async def ends(self, ids: Collection[str]) -> Mapping[str, End]:
        return await self._through(self.told, "ends", ids, super().ends(ids))

    async def ended_since(self, seconds: float) -> Collection[str]:
        self._check()
        return await super().ended_since(seconds)

    async def note_used(self, ago: Mapping[str, float]) -> None:
        self._check()
        self.asked.append(("note_used", frozenset(ago)))
        await super().note_used(ago)

    async def _through(self, door: Door, name: str, ids: Collection[str], reading: Awaitable[Answer]) -> Answer:
        self.asked.append((name, frozenset(ids)))
        answer = await reading
        await door.passing()
        self._check()
        return answer

    def _check(self) -> None:
        if self.away:
            raise Unavailable("The primary is away.", retry_after=1)


class Clock:
    """Monotonic seconds, which a test can let pass."""

    def __init__(self) -> None:
        self._passed = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._passed

    def let_pass(self, seconds: float) -> None:
        """Be so much later."""
        self._passed += seconds
