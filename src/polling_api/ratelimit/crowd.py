"""A bounded memory of many names, in which a flood of names cannot push out those that matter."""

from collections.abc import Callable
from typing import Generic, TypeVar

from polling_api import metrics

Item = TypeVar("Item")

_LIGHT = 1.5  # a name that has asked once, shared or not: it goes without a further look
_LOOKED_AT = 32  # at most, where nothing is light; some 10 µs


class Crowd(Generic[Item]):
    """Items by name, at most so many.

    Where there is no room, a hand goes on around all of them to the next that weighs next to nothing, which gives way;
    if there is none among the next 32, the lightest of these and of the one that came last.
    A flood of names that ask once each so pushes out itself, and not the caller who is close to its limit.

    Args:
        kind: for the metric that counts those that gave way.
        most: how many are kept.
        weight: what is lost with an item; the least goes.
        gone: told each item that gave way.
    """

    def __init__(
        self, kind: str, most: int, weight: Callable[[Item], float], gone: Callable[[Item], object] | None = None
    ) -> None:
        self._most = most
        self._weight = weight
        self._gone = gone
        self._items: dict[str, Item] = {}
        self._ring: list[str] = []  # the names, in no order; an ordered dictionary would take 80 bytes a name
        self._hand = 0
        self._last = 0  # where in the ring the one is that came last
        self._evictions = metrics.LIMIT_EVICTIONS.labels(kind)
        self.find = self._items.get
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._items)

    def values(self) -> list[Item]:
        """All of them now."""
        return list(self._items.values())

    def put(self, name: str, item: Item) -> None:
        """Keep `item`, in the place of what was kept under its name."""
        if name not in self._items:
            if len(self._items) >= self._most:
                self._last = self._least()
                self._ring[self._last] = name
            else:
                self._last = len(self._ring)
                self._ring.append(name)
        self._items[name] = item

    def clear(self) -> None:
        """Forget all."""
        self._items.clear()
        self._ring.clear()

    def sweep(self, over: Callable[[Item], bool], most: int) -> None:
        """Move the hand past at most so many, and forget those that are over."""
        for _ in range(min(most, len(self._ring))):
            self._hand = self._hand % len(self._ring)
            name = self._ring[self._hand]
            if over(self._items[name]):
                del self._items[name]
                last = self._ring.pop()
                if self._hand < len(self._ring):
                    self._ring[self._hand] = last
                if not self._ring:
                    return
            else:
                self._hand += 1

    def _least(self) -> int:
        """Forget the one to give way, and say where in the ring its place is."""
        items, ring, size, weight = self._items, self._ring, len(self._ring), self._weight
        least, place = self._last % size, self._hand
        lightest = weight(items[ring[least]])
        for place in range(self._hand, self._hand + min(_LOOKED_AT, size)):
            there = place % size
            weighs = weight(items[ring[there]])
            if weighs <= _LIGHT:
                least = there
                break
            if weighs < lightest:
                lightest, least = weighs, there
        self._hand = (place + 1) % size
        item = items.pop(ring[least])
        self.evicted += 1
        self._evictions.inc()
        if self._gone is not None:
            self._gone(item)
        return least
