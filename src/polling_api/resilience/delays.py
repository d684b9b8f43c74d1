"""Very many things that are each to happen after the same time, unless something else happens before: one timer."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Delay(Generic[Item]):
    """Things that come due so many seconds after they were added, in that order.

    A timer of the event loop's own for each takes 2 µs to set and to stop, and half a KiB.

    Args:
        seconds: the time, the same for all.
        due: called with each whose time has come.
    """

    def __init__(self, seconds: float, due: Callable[[Item], object]) -> None:
        self._seconds = seconds
        self._due = due
        self._waiting = OrderedDict[Item, float]()  # with the moments at which they are due, the next one first
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: Item) -> None:
        """Begin to wait; `item` waits for nothing yet."""
        loop = asyncio.get_running_loop()
        at = self._waiting[item] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(at, self._look)

    def discard(self, item: Item) -> None:
        """Wait no more, whether it has come due or not. The timer goes on, and finds out that nothing is to be done."""
        self._waiting.pop(item, None)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        while self._waiting:
            item, at = next(iter(self._waiting.items()))
            if at > now:
                self._timer = loop.call_at(at, self._look)
                return
            del self._waiting[item]
            self._due(item)
