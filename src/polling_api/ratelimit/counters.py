"""The counters of a process, by window and name, and what of them is shared."""

from collections.abc import Sequence
from itertools import islice

from polling_api.ratelimit.counter import Counter, parts_of
from polling_api.ratelimit.crowd import Crowd
from polling_api.ratelimit.exchange import PREFIX, Others, Row

HOUR, MINUTE, BURST = 3600, 60, 10  # seconds
KINDS = {HOUR: "hour", MINUTE: "minute", BURST: "burst"}

MOST = 50_000  # names for each window, some 75 MB in all at worst; what comes beyond is known to the others still
_SWEPT_AT_ONCE = 512  # counters of each window; some 0.1 ms
_LIFE_MARGIN = 5  # seconds beyond a window's meaning for which it stays shared: clocks differ


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

    def current(self, name: str, now: float) -> Counter | None:
        """The counter of `name`, in the window that `now` is in."""
        counter = self.find(name)
        if counter is not None and now >= counter.ends:
            counter.roll(now)
        return counter

    def make(self, name: str, now: float) -> Counter:
        """A new counter for `name`."""
        # Another serial than any that was pushed out: what that one had shared still counts, as if of somebody else.
        counter = Counter(name, self.size, now, self.evicted)
        self.put(name, counter)
        return counter


class Counters:
    """All counters of a process; a `Part` of what is reconciled.

    Args:
        process: a name for this process that no other has, nor had before.
        most: names for each window.
    """

    def __init__(self, process: str, most: int = MOST) -> None:
        self._process = process
        self._most = most
        self._noted: dict[Counter, None] = {}  # in the order in which they began to wait
        self._tables = {size: Table(size, most, self._noted) for size in KINDS}
        self._offered: list[tuple[Counter, int, Row]] = []

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

    def sweep(self, now: float) -> None:
        """Forget some of what no longer counts."""
        for table in self._tables.values():
            table.sweep(lambda counter: counter.over <= now, _SWEPT_AT_ONCE)

    def offers(self, most: int, now: float) -> list[Row]:
        """What to share now, of at most `most` counters."""
        self.sweep(now)
        self._offered = []
        for counter in list(islice(self._noted, most)):
            del self._noted[counter]
            if now < counter.over:
                self._offer(counter, now)
        return [row for _, _, row in self._offered]

    def heard(self, others: Sequence[Others], now: float) -> None:
        """Take over what the others have, for each row that was offered."""
        for (counter, ends, _), said in zip(self._offered, others, strict=True):
            counter.hear(ends, parts_of(said), now)
        self._offered = []

    def unheard(self) -> None:
        """Share again what was offered: it may not have come through."""
        for counter, ends, row in self._offered:
            if row.value:
                _owe(counter, ends)
            if self._tables[counter.size].find(counter.name) is counter:  # else it was pushed out meanwhile
                self.note(counter)
        self._offered = []

    def repeat(self) -> None:
        """Share everything again: what was shared is lost."""
        for table in self._tables.values():
            for counter in table.values():
                counter.changed, counter.owed = counter.mine > 0, counter.mine_before > 0
                self.note(counter)

    def _offer(self, counter: Counter, now: float) -> None:
        if now >= counter.ends:
            counter.roll(now)
        self._add(counter, counter.ends, counter.part().encode() if counter.changed else "", now)
        if counter.owed or not counter.settled:
            before = counter.part_before().encode() if counter.owed else ""
            self._add(counter, counter.ends - counter.size, before, now)
        counter.changed = counter.owed = False

    def _add(self, counter: Counter, ends: int, value: str, now: float) -> None:
        key = f"{PREFIX}:limit:{counter.size}:{ends}:{counter.name}"
        life = int(ends + counter.size - now) + _LIFE_MARGIN
        field = f"{self._process}.{counter.serial}"
        self._offered.append((counter, ends, Row(key, field, value, life)))


def _owe(counter: Counter, ends: int) -> None:
    """Remember that the window that ends at `ends` is not shared."""
    if ends == counter.ends:
        counter.changed = True
    elif ends == counter.ends - counter.size:
        counter.owed = True
