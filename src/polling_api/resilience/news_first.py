"""News before questions: a change is told to all who wait for it before those who know it are heard again."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Protocol, TypeVar

FEW = 50  # are told at once; of more, so many between two looks at the clock
TURN = 0.015  # seconds for which the loop is kept: some 600 streams, or 150 waits
DONE_AT_ONCE = 300  # of what was put off, in one turn of the loop: the ends of so many waits take some 10 ms
RESUMED_AT_ONCE = 100  # who go on in one turn, and mostly ask in the next: some 10 ms
HELD_BACK_FOR = 1.0  # seconds, in which 10,000 waits are answered; then they go on while more is told

Listener = TypeVar("Listener")


class Patient(Protocol):
    """Somebody who can wait a little."""

    def go_on(self) -> None:
        """Go on now."""
        ...


class NewsFirst:
    """Tells many, some in each turn of the event loop, and has those who know it ask again when all do.

    A wait that was answered ends, and is asked again at once, which takes three times as long as to answer. Between two
    turns the loop does all of that: the last of five thousand would be told after most of the others had asked again.
    Who is not told anything meanwhile has nothing to do with it, and need not be held back.

    All end before the first of them goes on. The collector of garbage is called by how many more objects were made than
    went: while each that ends makes way for another it is not, and then has all of them to look at, for 0.2 s.

    Args:
        held_back_for: seconds after which who was held back goes on while more is told.
        clock: seconds, by which turns end.
    """

    def __init__(self, held_back_for: float = HELD_BACK_FOR, clock: Callable[[], float] = time.perf_counter) -> None:
        self._held_back_for = held_back_for
        self._clock = clock
        self._telling = 0  # of so many things at once
        self._put_off: deque[Callable[[], object]] = deque()
        self._held: dict[Patient, None] = {}
        self._resuming = False
        self._enough: asyncio.TimerHandle | None = None

    @property
    def under_way(self) -> bool:
        """Whether there are still some to be told."""
        return self._telling > 0

    def tell(self, listeners: AbstractSet[Listener], what: Callable[[Listener], None]) -> None:
        """Call `what` with each listener: with the first now, with the others in the loop's next turns.

        Args:
            listeners: who is told; not who has left it when its turn comes.
            what: quick, and raises nothing.
        """
        if len(listeners) <= FEW:
            self._tell_each(tuple(listeners), listeners, what)
            return
        self._telling += 1
        if self._enough is None:
            self._be_patient()
        self._tell_some(tuple(listeners), listeners, what)

    def put_off(self, what: Callable[[], object]) -> None:
        """Have something done when all is told, or that has taken too long; before anybody goes on."""
        self._put_off.append(what)

    def hold_back(self, patient: Patient) -> None:
        """Have somebody go on when all is told, or that has taken too long, behind those who were held back before."""
        self._held[patient] = None

    def forget(self, patient: Patient) -> None:
        """Somebody has gone on, or away."""
        self._held.pop(patient, None)

    def _be_patient(self) -> None:
        self._enough = asyncio.get_running_loop().call_later(self._held_back_for, self._resume)

    def _tell_some(
        self, left: Sequence[Listener], listeners: AbstractSet[Listener], what: Callable[[Listener], None]
    ) -> None:
        rest: Sequence[Listener] = ()
        try:
            rest = self._tell_a_turn(left, listeners, what)
        finally:  # whatever one of them did wrong, nobody is held back for ever
            if rest:
                asyncio.get_running_loop().call_soon(self._tell_some, rest, listeners, what)
            else:
                self._telling -= 1
                if not self._telling:
                    self._resume()

    def _tell_a_turn(
        self, left: Sequence[Listener], listeners: AbstractSet[Listener], what: Callable[[Listener], None]
    ) -> Sequence[Listener]:
        """Tell those for whom there is time; answers who is left."""
        ends, told = self._clock() + TURN, 0
        while told < len(left):
            self._tell_each(left[told : told + FEW], listeners, what)
            told += FEW
            if self._clock() >= ends:
                break
        return left[told:]

    @staticmethod
    def _tell_each(
        some: Iterable[Listener], listeners: AbstractSet[Listener], what: Callable[[Listener], None]
    ) -> None:
        for listener in some:
            if listener in listeners:
                what(listener)

    def _resume(self) -> None:
        if self._enough is not None:
            self._enough.cancel()
            self._enough = None
        if not self._resuming:
            self._resuming = True
            self._resume_some()

    def _resume_some(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(min(DONE_AT_ONCE, len(self._put_off))):
            loop.call_soon(self._put_off.popleft())
        if not self._put_off:
            for patient in list(islice(self._held, RESUMED_AT_ONCE)):
                del self._held[patient]
                loop.call_soon(patient.go_on)
        if self._put_off or self._held:
            loop.call_soon(self._resume_some)
            return
        self._resuming = False
        if self._telling and self._enough is None:
            self._be_patient()
