"""Admission: whether a process has more to do than it can, so that what comes beyond is refused before any work."""

from collections.abc import Callable
from typing import Protocol

from polling_api.errors import Unavailable
from polling_api.resilience.backoff import jittered

RETRY_AFTER = 2  # seconds at least: what stands then has been worked off, or another process takes it


class Standing(Protocol):
    """What knows how late the event loop is."""

    @property
    def standing(self) -> float:
        """Seconds by which it is late, not only for a moment."""
        ...


class Load:
    """The requests of one process that nobody has begun to answer, and the time by which all are late.

    Waits are not among them as soon as they are held, nor streams: those have a bound of their own.

    Args:
        lag: of the event loop.
        waits: how many waits are held.
        most_lag: seconds above which requests are refused.
        most_pending: requests above which further ones are.
    """

    def __init__(self, lag: Standing, waits: Callable[[], int], *, most_lag: float, most_pending: int) -> None:
        self._lag = lag
        self._waits = waits
        self._most_lag = most_lag
        self._most_pending = most_pending
        self.pending = 0

    @property
    def too_much(self) -> bool:
        """Whether another request would only make all of them later."""
        if self._lag.standing > self._most_lag:
            return True
        return self.pending >= self._most_pending and self.pending - self._waits() >= self._most_pending


class NoLoad:
    """The load of a process that has nothing to do, for tests of other things."""

    too_much = False

    def __init__(self) -> None:
        self.pending = 0


def overloaded() -> Unavailable:
    """What is told to those who are refused."""
    return Unavailable("This process has more to do than it can.", code="overloaded", retry_after=jittered(RETRY_AFTER))
