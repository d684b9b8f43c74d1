"""The seam between a process's own counts and everybody's: Redis, or a twin in this process that behaves alike.

What is shared is a table of tables: each process writes its own value under a key, in a field of its own, and reads
what all have written there. A value says the whole (so many requests), never a difference. So a call that was lost, or
came twice, or was carried out by a server that had been frozen meanwhile, does no harm: it is said again.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

PREFIX = "polling:{limits}"  # of all keys; in a cluster the braces keep them on one node, as a call needs them

Others = Sequence[str]  # what all but this process say under a key


class Row(NamedTuple):
    """What this process says under one key.

    `value` is empty where it only wants to hear. The key is forgotten `life` seconds after the last who wrote to it.
    """

    key: str
    field: str
    value: str
    life: int


class Notice(NamedTuple):
    """What is known of one name on a board that all read; of two, the one that `began` later holds."""

    name: str
    began: float
    text: str


class Offer(NamedTuple):
    """What a process says and asks in one call."""

    rows: Sequence[Row]
    notices: Sequence[Notice]
    since: int


class Reply(NamedTuple):
    """What it hears.

    `others` are for each row, in order, what the others say under its key. `notices` are those that changed after
    `since`, of which `since` is now the last. `born` names this memory: another name, and what was said is lost.
    """

    others: Sequence[Others]
    notices: Sequence[Notice]
    since: int
    born: str


class Exchange(Protocol):
    """What all processes share."""

    async def swap(self, offer: Offer) -> Reply:
        """Say and hear, within a bounded time.

        Raises:
            ConnectionError: some or all of it may have been said.
        """
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


class SharedMemory:
    """What several `LocalExchange`s share, as several processes share a Redis. `down` makes it fail."""

    def __init__(self) -> None:
        self.down = False
        self.flush()

    def flush(self) -> None:
        """Forget everything."""
        self.tables: dict[str, dict[str, str]] = {}
        self.board: dict[str, tuple[int, Notice]] = {}
        self.serial = 0
        self.born = str(id(self.tables))


class LocalExchange:
    """One process's end of a `SharedMemory`. Lives are not counted: tests forget by `flush`."""

    def __init__(self, memory: SharedMemory) -> None:
        self._memory = memory

    async def swap(self, offer: Offer) -> Reply:
        """Say and hear."""
        memory = self._memory
        if memory.down:
            raise ConnectionError("the shared memory is down")
        for notice in offer.notices:
            _, known = memory.board.get(notice.name, (0, None))
            if known is None or notice.began > known.began:
                memory.serial += 1
                memory.board[notice.name] = (memory.serial, notice)
        others = [self._swap_row(row) for row in offer.rows]
        news = [notice for serial, notice in memory.board.values() if serial > offer.since]
        return Reply(others, news, memory.serial, memory.born)

    async def close(self) -> None:
        """Nothing is held open."""

    def _swap_row(self, row: Row) -> Others:
        table = self._memory.tables.setdefault(row.key, {})
        if row.value:
            table[row.field] = row.value
        return [value for field, value in table.items() if field != row.field]
