"""News first: a change is told to all who wait for it before those who know it are let go, and heard again."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextvars import Context
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeVar

FEW = 50  # are told at once; of more, so many between two looks at the clock
TURN = 0.015  # seconds for which the loop is kept: some 600 streams, or 250 waits
ENDED_AT_ONCE = 300  # in one turn of the loop: some 10 ms
RESUMED_AT_ONCE = 100  # who go on in one turn, and mostly ask in the next: some 10 ms
HELD_BACK_FOR = 1.0  # seconds, in which 10,000 waits are answered; then they are let go while more is told

Listener = TypeVar("Listener")


class Patient(Protocol):
    """Somebody who can wait a little."""

    def go_on(self) -> None:
        """Go on now."""
        ...


class _News(NamedTuple):
    """What is told to those who are left of some, as far as they still listen."""

    left: Iterator[Any]
    listeners: AbstractSet[Any]
    what: Callable[[Any], None]


class NewsFirst:
    """Tells many, some in each turn of the event loop, and has those who know it ask again when all do.

    A wait that was answered ends, and is asked again at once, which takes three times as long as to answer. Between two
    turns the loop does all of that: the last of five thousand would be told after most of the others had asked again.
    Who is not told anything meanwhile has nothing to do with it, and is not to be held back.

    All end before the first of them goes on. The collector of garbage is called by how many more objects were made than
    went: while each that ends makes way for another it is not, and then has all of them to look at, for 0.2 s.

    Args:
        held_back_for: seconds after which those who were held back are let go while more is told.
        clock: seconds, by which turns end.

    Attributes:
        telling: whether one of many is being told just now: who calls is called by that one.
    """

    def __init__(self, held_back_for: float = HELD_BACK_FOR, clock: Callable[[], float] = time.perf_counter) -> None:
        self.telling = False
        self._held_back_for = held_back_for
        self._clock = clock
        self._news: deque[_News] = deque()
        self._ends: deque[Callable[[], object]] = deque()
        self._held: dict[Patient, None] = {}
        self._under_way = False
        self._letting_go = False
        self._enough: asyncio.TimerHandle | None = None
        self._nobodys = Context()  # what was held back is not of the request, or the part, that brought the news

    def tell(self, listeners: AbstractSet[Listener], what: Callable[[Listener], None]) -> None:
        """Call `what` with each listener: with a few now, with many in turns, a few of each news after the other.

        Args:
            listeners: who is told; not who has left it when its turn comes.
            what: quick, and raises nothing.
        """
        news = _News(iter(tuple(listeners)), listeners, what)
        if len(listeners) <= FEW:
            _tell_a_few(news)
            return
        self._news.append(news)
        if not self._under_way:
            self._under_way = True
            self._be_patient()
            self._tell_some()

    def end_first(self, end: Callable[[], object]) -> None:
        """Have something done when all is told, or that has taken too long, and before anybody goes on."""
        self._ends.append(end)

    def hold_back(self, patient: Patient) -> None:
        """Have somebody go on when all is told, or that has taken too long, behind those who were held back before."""
        self._held[patient] = None

    def forget(self, patient: Patient) -> None:
        """Somebody has gone on, or away."""
        self._held.pop(patient, None)

    def _be_patient(self) -> None:
        if self._enough is None:
            self._enough = asyncio.get_running_loop().call_later(self._held_back_for, self._let_go)

    def _tell_some(self) -> None:
        try:
            self._tell_a_turn()
        finally:  # whatever one of them did wrong, nobody is held back for ever
            if self._news:
                asyncio.get_running_loop().call_soon(self._tell_some)
            else:
                self._under_way = False
                self._let_go()

    def _tell_a_turn(self) -> None:
        ends, self.telling = self._clock() + TURN, True
        try:
            while self._news:
                news = self._news.popleft()
                if _tell_a_few(news):
                    self._news.append(news)
                if self._clock() >= ends:
                    return
        finally:
            self.telling = False

    def _let_go(self) -> None:
        """Begin with those who were told until now; who is told meanwhile comes next."""
        if self._enough is not None:
            self._enough.cancel()
            self._enough = None
        if not self._letting_go:
            self._letting_go = True
            self._let_some_go(len(self._ends), len(self._held))

    def _let_some_go(self, ends: int, held: int) -> None:
        """Let some go, of the so many who are due: first all end, then all go on."""
        loop = asyncio.get_running_loop()
        some = min(ends, ENDED_AT_ONCE)
        for _ in range(some):
            loop.call_soon(self._ends.popleft(), context=self._nobodys)
        if not ends:
            some = min(held, RESUMED_AT_ONCE)
            for patient in list(islice(self._held, some)):
                del self._held[patient]
                loop.call_soon(patient.go_on, context=self._nobodys)
        left = (ends - some, held) if ends else (0, held - some)
        if any(left):
            loop.call_soon(self._let_some_go, *left)
            return
        self._letting_go = False
        if self._news:
            self._be_patient()
        elif self._ends or self._held:
            self._let_go()


def _tell_a_few(news: _News) -> bool:
    """Whether there may be more of them."""
    few = list(islice(news.left, FEW))
    for listener in few:
        if listener in news.listeners:
            news.what(listener)
    return len(few) == FEW
