"""A circuit breaker: what fails, or has become slow, is left alone for a while instead of being waited for.

    CLOSED ── too large a share of calls failed or were slow ──▶ OPEN
    OPEN ── its time is over, and somebody calls ──▶ HALF_OPEN, with that call as the one probe; where it takes long,
            the next call is one too
    HALF_OPEN ── the probe was good ──▶ CLOSED          ── it failed or was slow ──▶ OPEN, for twice as long

After M. Nygard, "Release It!" (2007). For one event loop: between a call's admission and its record nothing is awaited.
"""

import math
import random
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

_SLOTS = 10  # of the window; what is older than the window by less than a tenth of it may still count
_MOST_DOUBLINGS = 30  # 2 ** 30 times any first time is over every bound


class State(StrEnum):
    """Whether calls are let through: all, none, or one to see how it is."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitOpen(Exception):
    """The call was not made. `retry_after` is when another may be, in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"The circuit is open for {retry_after:.3f} s.")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Policy:
    """When a circuit opens, and for how long. Times are in seconds, shares from 0 to 1.

    It opens when, of at least `fewest` calls within `window`, `failure_share` failed, or `slow_share` took longer than
    `slow_after` (never, by default). It stays open for half to all of `open_first`, doubled at each failed probe up to
    `open_most`: drawn by chance, so that nodes that found it together do not come back together. A probe that is not
    over after `probe_within`, as it may be a transfer of minutes, does not keep the next call from being one.
    """

    window: float = 10.0
    fewest: int = 5
    failure_share: float = 0.5
    slow_after: float = math.inf
    slow_share: float = 0.8
    open_first: float = 1.0
    open_most: float = 30.0
    probe_within: float = 2.0


class _Outcome(Enum):
    GOOD = auto()
    SLOW = auto()
    FAILED = auto()
    ABANDONED = auto()  # nobody waited for it long enough to tell


class Breaker:
    """Guards the calls to one dependency.

    Args:
        policy: when it opens, and for how long.
        failures: what is a failure of the dependency; any other exception is an answer of it.
        clock: monotonic seconds.
        chance: a number from 0 to less than 1.
        told: called with each new state, and the first; quick, and raises nothing.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        failures: tuple[type[Exception], ...] = (OSError,),
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        told: Callable[[State], None] | None = None,
    ) -> None:
        self._policy = policy
        self._failures = failures
        self._clock = clock
        self._chance = chance
        self._told = told
        self._tally = _Tally(policy.window)
        self._state = State.CLOSED
        self._until = 0.0
        self._openings = 0  # in a row
        self._probing = False
        self._probe_until = 0.0
        self._era = 0  # goes up with every change of state: a call that began in another era says nothing of this one
        if told is not None:
            told(State.CLOSED)

    @property
    def state(self) -> State:
        """What a call would find now."""
        if self._state is State.OPEN and self._clock() >= self._until:
            return State.HALF_OPEN
        return self._state

    @contextmanager
    def attempt(self, *, timed: bool = True) -> Generator[None]:
        """Make a call in the body, which has a timeout of its own, and record what came of it.

        `timed` is whether it may be found slow; how long a transfer takes depends on what is transferred.

        A call that is cancelled is not held against the dependency, unless it had taken too long already: otherwise
        impatient callers would hide that it hangs. If it was the probe, the next call is.

        Raises:
            CircuitOpen: the body is not run.
        """
        era, began = self._admit(), self._clock()
        try:
            yield
        except BaseException as error:
            self._record(era, self._outcome(error, self._clock() - began if timed else 0.0))
            raise
        self._record(era, self._outcome(None, self._clock() - began if timed else 0.0))

    def _admit(self) -> int:
        now = self._clock()
        if self._state is State.OPEN:
            if now < self._until:
                raise CircuitOpen(self._until - now)
            self._enter(State.HALF_OPEN)
        if self._state is State.HALF_OPEN:
            left = self._probe_until - now if self._probing else 0.0
            if left > 0:
                raise CircuitOpen(left)
            self._probing, self._probe_until = True, now + self._policy.probe_within
        return self._era

    def _outcome(self, error: BaseException | None, took: float) -> _Outcome:
        if isinstance(error, self._failures):
            return _Outcome.FAILED
        if took > self._policy.slow_after:
            return _Outcome.SLOW
        return _Outcome.GOOD if error is None or isinstance(error, Exception) else _Outcome.ABANDONED

    def _record(self, era: int, outcome: _Outcome) -> None:
        if era != self._era:
            return
        if self._state is State.HALF_OPEN:
            self._probing = False
            if outcome is _Outcome.GOOD:
                self._openings = 0
                self._enter(State.CLOSED)
            elif outcome is not _Outcome.ABANDONED:
                self._open()
        elif outcome is not _Outcome.ABANDONED:
            self._tally.add(self._clock(), outcome)
            if outcome is not _Outcome.GOOD and self._too_many():
                self._open()

    def _too_many(self) -> bool:
        calls, failed, slow = self._tally.total()
        policy = self._policy
        return calls >= policy.fewest and (
            failed >= policy.failure_share * calls or failed + slow >= policy.slow_share * calls
        )

    def _open(self) -> None:
        doublings = min(self._openings, _MOST_DOUBLINGS)
        longest = min(self._policy.open_first * 2**doublings, self._policy.open_most)
        self._openings += 1
        self._until = self._clock() + longest * (1 + self._chance()) / 2
        self._enter(State.OPEN)

    def _enter(self, state: State) -> None:
        self._state = state
        self._era += 1
        self._probing = False
        self._tally = _Tally(self._policy.window)  # what was before says nothing of what is now
        if self._told is not None:
            self._told(state)


class _Tally:
    """Calls of the last `window` seconds, in slots, so that its size does not depend on how many there are."""

    def __init__(self, window: float) -> None:
        self._slot = window / _SLOTS
        self._slots: deque[list[int]] = deque()  # number, calls, failed, slow

    def add(self, now: float, outcome: _Outcome) -> None:
        number = int(now / self._slot)
        while self._slots and self._slots[0][0] < number - _SLOTS:
            self._slots.popleft()
        if not self._slots or self._slots[-1][0] != number:
            self._slots.append([number, 0, 0, 0])
        latest = self._slots[-1]
        latest[1] += 1
        latest[2] += outcome is _Outcome.FAILED
        latest[3] += outcome is _Outcome.SLOW

    def total(self) -> tuple[int, int, int]:
        """How many there were, failed, and were slow."""
        _, calls, failed, slow = (sum(column) for column in zip(*self._slots, strict=True))
        return calls, failed, slow
