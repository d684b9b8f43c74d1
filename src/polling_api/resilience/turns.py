"""One after the other, where they would wait for each other anyway, further in and with more in their hands."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from polling_api.errors import Unavailable

WITHIN = 30.0  # seconds: far more than the hundred submits that one address may have waiting take
RETRY_AFTER = 5  # seconds


class Turns:
    """Lets those of one name go one by one, in the order in which they came.

    Args:
        within: seconds after which one is given up whose turn does not come.
    """

    def __init__(self, within: float = WITHIN) -> None:
        self._within = within
        self._locks: dict[str, asyncio.Lock] = {}
        self._interested: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._locks)

    @asynccontextmanager
    async def of(self, name: str) -> AsyncGenerator[None]:
        """The time of one turn.

        Raises:
            Unavailable: it did not come in time.
        """
        lock = self._locks.setdefault(name, asyncio.Lock())
        self._interested[name] = self._interested.get(name, 0) + 1
        try:
            try:
                async with asyncio.timeout(self._within):
                    await lock.acquire()
            except TimeoutError:
                raise Unavailable("Too much of yours waits before this.", retry_after=RETRY_AFTER) from None
            try:
                yield
            finally:
                lock.release()
        finally:
            self._interested[name] -= 1
            if not self._interested[name]:
                del self._interested[name], self._locks[name]
