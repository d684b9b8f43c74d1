"""A sliding window in constant memory: how many requests one name has made lately.

Time is cut into windows of the limit's length. A counter knows the requests of the present window, and of the one
before, each with the times of its first and last request. Of the window before, as many still count as would if they
had come at even distances between those two. So it is exact for one burst and for a steady pace, where the usual
sliding-window counter is not, and off by at most the requests of the window before, less one; see
`docs/decisions/0015-limits.md`.
"""

from collections.abc import Iterable
from math import ceil

from polling_api.ratelimit.party import UNLIMITED

_NOISE = 1e-6  # a request's share; what float arithmetic on epoch seconds may add to a whole number
_MICROSECONDS = 1_000_000  # of a second, in which times are shared
_SETTLED_AFTER = 1.0  # seconds into a window after which all processes have told their part of the one before


class Counter:
    """The requests of one name in windows of one length, by this process and, as far as is known, by all.

    Args:
        name: what is counted.
        size: the windows' length, seconds.
        now: epoch seconds.
    """

    __slots__ = (
        "before",
        "changed",
        "count",
        "ends",
        "first",
        "first_before",
        "last",
        "last_before",
        "mine",
        "mine_before",
        "name",
        "owed",
        "settled",
        "size",
    )

    def __init__(self, name: str, size: int, now: float) -> None:
        self.name = name
        self.size = size
        self.ends = (int(now // size) + 1) * size
        self.count = self.mine = self.before = self.mine_before = 0
        self.first = self.last = now
        self.first_before = self.last_before = 0.0
        self.changed = False  # the present window's own part is not shared yet
        self.owed = False  # nor is the one's before
        self.settled = False  # all have told their parts of the window before

    @property
    def over(self) -> float:
        """When nothing of this counts any more, if nothing comes until then; epoch seconds."""
        return self.ends + self.size

    def roll(self, now: float) -> None:
        """Begin the window that `now` is in, which is not the present one."""
        if now < self.ends + self.size:
            self.before, self.mine_before = self.count, self.mine
            self.first_before, self.last_before = self.first, self.last
            self.owed = self.changed
        else:
            self.before = self.mine_before = 0
            self.owed = False
        self.ends = (int(now // self.size) + 1) * self.size
        self.count = self.mine = 0
        self.changed = self.settled = False

    def used(self, now: float) -> int:
        """How many requests count at `now`, which is in the present window or, as nobody asks meanwhile, later."""
        if now < self.ends:
            if not self.before:
                return self.count
            return self.count + left_of(self.before, self.first_before, self.last_before, now - self.size)
        if now < self.ends + self.size:
            return left_of(self.count, self.first, self.last, now - self.size)
        return 0

    def take(self, weight: int, now: float) -> None:
        """Count a request, in the present window."""
        if not self.count:
            self.first = self.last = now
        elif now > self.last:
            self.last = now
        self.count += weight
        self.mine += weight
        self.changed = True

    def give_back(self, weight: int, taken_at: float, now: float) -> bool:
        """Take back a request that was counted at `taken_at` by this counter; whether there is anything to share."""
        if now >= self.ends:
            self.roll(now)
        begins = self.ends - self.size
        if taken_at >= begins:
            back = min(weight, self.mine)
            self.mine -= back
            self.count -= back
            self.changed = True
        elif taken_at >= begins - self.size:
            back = min(weight, self.mine_before)
            self.mine_before -= back
            self.before -= back
            self.owed = True
        else:
            return False
        return True

    def forget(self) -> None:
        """Count nothing of what was, here."""
        self.count = self.mine = self.before = self.mine_before = 0

    def free_at(self, weight: int, limit: int) -> float:
        """When a request of `weight` fits under `limit`, if no other comes before; epoch seconds.

        `weight` is at most `limit`.
        """
        room = limit - weight - self.count
        if room >= 0:
            return _thinned_at(self.before, self.first_before, self.last_before, room) + self.size
        return _thinned_at(self.count, self.first, self.last, limit - weight) + self.size

    def whole_at(self, now: float) -> float:
        """When nothing counts any more, if no request comes before; epoch seconds."""
        last = self.last if self.count else self.last_before if self.before else now - self.size
        return max(last + self.size, now)

    def part(self) -> str:
        """The present window's, as it is shared."""
        return part_of(self.mine, self.first, self.last)

    def part_before(self) -> str:
        """The one's before, as it is shared."""
        return part_of(self.mine_before, self.first_before, self.last_before)

    def hear(self, ends: int, others: Iterable[str]) -> None:
        """Take over the others' parts of the window that ends at `ends`.

        What cannot be read is left out, since it is not only we who may write to Redis.
        """
        count, first, last = 0, float(ends), 0.0
        earliest, latest = (ends - self.size) * _MICROSECONDS, ends * _MICROSECONDS
        for part in others:
            try:
                requests, began, ended = map(int, part.split())
            except ValueError:
                continue
            if requests > 0:
                # Whole numbers may be longer than any float, and a time outside of the window would count for ever.
                count += min(requests, UNLIMITED)
                first = min(first, min(max(began, earliest), latest) / _MICROSECONDS)
                last = max(last, min(max(ended, earliest), latest) / _MICROSECONDS)
        if ends == self.ends:
            if count and self.count:
                first, last = min(first, self.first), max(last, self.last)
            if count:
                self.first, self.last = first, last
            self.count = self.mine + count
        elif ends == self.ends - self.size:
            if count and self.before:
                first, last = min(first, self.first_before), max(last, self.last_before)
            if count:
                self.first_before, self.last_before = first, last
            self.before = self.mine_before + count

    def heard_before(self, ends: int, now: float) -> None:
        """All have been heard of the window that ends at `ends`, which is the one before, or was."""
        if ends == self.ends - self.size:
            self.settled = now >= ends + _SETTLED_AFTER


def part_of(requests: int, first: float, last: float) -> str:
    """A process's requests in one window, and the first and last it knows of anybody, as they are shared.

    They are in whole microseconds, which are written and read three times as fast as seconds with a fraction.
    """
    return f"{requests} {int(first * _MICROSECONDS)} {int(last * _MICROSECONDS)}"


def left_of(count: int, first: float, last: float, edge: float) -> int:
    """How many of `count` requests, at even distances from `first` to `last`, came after `edge`."""
    if edge < first:
        return count
    if edge >= last:
        return 0
    left = ceil((count - 1) * (last - edge) / (last - first) - _NOISE)
    return left if left < count else count  # noqa: FURB136 - `min` takes four times as long


def _thinned_at(count: int, first: float, last: float, room: int) -> float:
    """The edge after which at most `room` of `count` requests came."""
    if count <= 1 or room <= 0:
        return last
    return last - min(room / (count - 1), 1.0) * (last - first)
