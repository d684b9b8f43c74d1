"""The seam between a process's own counts and everybody's: Redis, or a twin in this process that behaves alike.

What is shared stands on pages: each process writes its own values on a page of its own, one for each kind of thing and
stretch of time, and reads what the others have on theirs. A value says the whole (so many requests), never a
difference. So a call that was lost, or came twice, or was carried out by a server that had been frozen meanwhile, does
no harm: it is said again.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

PREFIX = "polling:{limits}"  # of all keys; in a cluster the braces keep them on one node, as a call needs them

Others = Mapping[str, Mapping[str, str]]  # what others say, by name and process; names that nobody has are left out


class Page(NamedTuple):
    """What this process says and asks of one kind of thing in one stretch of time.

    Attributes:
        key: names kind and stretch.
        begins: when the stretch does, epoch seconds: nobody has such a page who has said nothing since.
        life: seconds after which what is said now is forgotten.
        said: names, each followed by its value. That is how Redis takes them, and so it is put together once.
        asked: names of which it wants to hear.
    """

    key: str
    begins: float
    life: int
    said: Sequence[str]
    asked: Sequence[str]


class Notice(NamedTuple):
    """What is known of one name on a board that all read; of two, the one that `began` later holds."""

    name: str
    began: float
    text: str


class Offer(NamedTuple):
    """What a process says and asks in one call, `at` a moment (epoch seconds)."""

    pages: Sequence[Page]
    notices: Sequence[Notice]
    since: int
    at: float


class Reply(NamedTuple):
    """What it hears.

    `others` are for each page, in order, what the others say of what was asked. `notices` are those that changed after
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
        self.pages: dict[str, dict[str, dict[str, str]]] = {}  # by key, process and name
        self.board: dict[str, tuple[int, Notice]] = {}
        self.serial = 0
        self.born = str(id(self.pages))


class LocalExchange:
    """One process's end of a `SharedMemory`. Lives are not counted: tests forget by `flush`.

    Args:
        memory: what is shared.
        process: a name for this process that no other has, nor had before.
    """

    def __init__(self, memory: SharedMemory, process: str) -> None:
        self._memory = memory
        self._process = process

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
        others = [self._swap_page(page) for page in offer.pages]
        news = [notice for serial, notice in memory.board.values() if serial > offer.since]
        return Reply(others, news, memory.serial, memory.born)

    async def close(self) -> None:
        """Nothing is held open."""

    def _swap_page(self, page: Page) -> Others:
        pages = self._memory.pages.setdefault(page.key, {})
        pages.setdefault(self._process, {}).update(zip(page.said[::2], page.said[1::2], strict=True))
        heard: dict[str, dict[str, str]] = {}
        for process, values in pages.items():
            for name in page.asked if process != self._process else ():
                if name in values:
                    heard.setdefault(name, {})[process] = values[name]
        return heard
