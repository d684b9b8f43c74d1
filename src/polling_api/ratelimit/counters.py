"""The counters of a process, by window and name, and what of them is shared."""

from collections.abc import Sequence
from itertools import islice

from polling_api.ratelimit.counter import Counter
from polling_api.ratelimit.crowd import Crowd
from polling_api.ratelimit.exchange import PREFIX, Others, Page

HOUR, MINUTE, BURST = 3600, 60, 10  # seconds
KINDS = {HOUR: "hour", MINUTE: "minute", BURST: "burst"}

MOST = 50_000  # names for each window, some 51 MiB in all at worst
_SWEPT_AT_ONCE = 64  # counters of each window, and two more for each new one: so all that is over is found
_LIFE_MARGIN = 5  # seconds beyond a window's meaning for which it stays shared: clocks differ


class _Offered:
    """What is said and asked of one window."""

    __slots__ = ("asked", "ends", "said", "size", "told")

    def __init__(self, size: int, ends: int) -> None:
        self.size = size
        self.ends = ends
        self.asked: dict[str, Counter] = {}
        self.told: list[Counter] = []
        self.said: list[str] = []

    def page(self, now: float) -> Page:
        life = int(self.ends + self.size - now) + _LIFE_MARGIN
        return Page(f"{PREFIX}:limit:{self.size}:{self.ends}", self.ends - self.size, life, self.said, list(self.asked))


class Table(Crowd[Counter]):
    """The counters of one window's length.

    Args:
        size: the windows' length, seconds.
        most: how many names are counted.
        noted: counters that have something to share.
    """

    def __init__(self, size: int, most: int, noted: dict[Counter, None]) -> None:
        # One that has something to share is lost with it, and so weighs more.
        super().__init__(
            KINDS.get(size, "other"),
            most,
            lambda counter: counter.count + counter.before + (0.5 if counter.changed else 0.0),
            lambda counter: noted.pop(counter, None),
        )
        self.size = size
        self.kind = KINDS.get(size, f"{size} s")
        self._new = 0

    def current(self, name: str, now: float) -> Counter | None:
        """The counter of `name`, in the window that `now` is in."""
        counter = self.find(name)
        if counter is not None and now >= counter.ends:
            counter.roll(now)
        return counter

    def make(self, name: str, now: float) -> Counter:
        """A new counter for `name`."""
        counter = Counter(name, self.size, now)
        self.add(counter)
        return counter

    def add(self, counter: Counter) -> None:
        """Keep a new counter, under its name."""
        self.put(counter.name, counter)
        self._new += 1

    def sweep_over(self, now: float) -> None:
        """Forget some of what no longer counts; round by round all of it, however much comes."""
        most, self._new = _SWEPT_AT_ONCE + 2 * self._new, 0
        self.sweep(lambda counter: counter.ends + counter.size <= now, most)


class Counters:
    """All counters of a process; a `Part` of what is reconciled.

    Args:
        most: names for each window.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._noted: dict[Counter, None] = {}  # in the order in which they began to wait
        self._tables = {size: Table(size, most, self._noted) for size in KINDS}
        self._offered: list[_Offered] = []

    def __len__(self) -> int:
        return sum(map(len, self._tables.values()))

    @property
    def waiting(self) -> int:
        """How many counters have something to share."""
        return len(self._noted)

    def table(self, size: int) -> Table:
        """The counters of windows of `size` seconds; of as many sizes as the code has limits."""
        if size not in self._tables:
            self._tables[size] = Table(size, self._most, self._noted)
        return self._tables[size]

    def note(self, counter: Counter) -> None:
        """Share what `counter` has, and hear of it, in the next round."""
        self._noted[counter] = None

    def give_back(self, counter: Counter, weight: int, taken_at: float, now: float) -> None:
        """Take back a request that `counter` counted at `taken_at`; nothing to do where that is forgotten."""
        if counter.give_back(weight, taken_at, now) and self.table(counter.size).find(counter.name) is counter:
            self.note(counter)

    def clear(self) -> None:
        """Forget all of it, here."""
        for table in self._tables.values():
            table.clear()
        self._noted.clear()

    def offers(self, most: int, now: float) -> list[Page]:
        """What to share now, of at most `most` counters."""
        for table in self._tables.values():
            table.sweep_over(now)
        taken = list(islice(self._noted, most))
        for counter in taken:
            del self._noted[counter]
        present: dict[int, _Offered] = {}
        before: dict[int, _Offered] = {}
        for counter in taken:
            size, ends = counter.size, counter.ends
            if now >= ends:
                if now >= ends + size:
                    continue
                counter.roll(now)
                ends = counter.ends
            offered = present.get(size)
            if offered is None:
                offered = present[size] = _Offered(size, ends)
            offered.asked[counter.name] = counter
            if counter.changed:
                offered.told.append(counter)
                offered.said += counter.name, counter.part()
                counter.changed = False
            if counter.owed or not counter.settled:
                self._offer_before(counter, before)
        self._offered = [*present.values(), *before.values()]
        return [offered.page(now) for offered in self._offered]

    def heard(self, others: Sequence[Others], now: float) -> None:
        """Take over what the others have, for each page that was offered."""
        for offered, said in zip(self._offered, others, strict=True):
            asked, ends = offered.asked, offered.ends
            for name, parts in said.items():
                asked[name].hear(ends, parts.values())
            if ends <= now:
                for counter in asked.values():
                    counter.heard_before(ends, now)
        self._offered = []

    def unheard(self) -> None:
        """Share again what was offered: it may not have come through."""
        for offered in self._offered:
            for counter in offered.told:
                _owe(counter, offered.ends)
            find = self._tables[offered.size].find
            for counter in offered.asked.values():
                if find(counter.name) is counter:  # else it was pushed out meanwhile
                    self.note(counter)
        self._offered = []

    def repeat(self) -> None:
        """Share everything again: what was shared is lost."""
        for table in self._tables.values():
            for counter in table.values():
                counter.changed, counter.owed = counter.mine > 0, counter.mine_before > 0
                self.note(counter)

    def _offer_before(self, counter: Counter, before: dict[int, _Offered]) -> None:
        size = counter.size
        offered = before.get(size)
        if offered is None:
            offered = before[size] = _Offered(size, counter.ends - size)
        offered.asked[counter.name] = counter
        if counter.owed:
            offered.told.append(counter)
            offered.said += counter.name, counter.part_before()
            counter.owed = False


def _owe(counter: Counter, ends: int) -> None:
    """Remember that the window that ends at `ends` is not shared."""
    if ends == counter.ends:
        counter.changed = True
    elif ends == counter.ends - counter.size:
        counter.owed = True
