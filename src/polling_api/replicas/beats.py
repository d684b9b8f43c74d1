"""What a server's beats say of it: up to when it has all that the primary had, and since when it lacks something."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

MOST_KEPT = 128  # a minute of beats; whoever has none of them is out long before

NEVER = float("-inf")


class Extent(NamedTuple):
    """How much of the primary a server has, in monotonic seconds of this process.

    Attributes:
        at: all that was to be seen in the primary before this moment is there; `NEVER` where nothing proves any.
        lacking_since: when the first beat was begun that it lacks; None where it lacks none.
    """

    at: float
    lacking_since: float | None

    def lag(self, now: float) -> float:
        """Seconds since when something is lacking; 0 where nothing is."""
        return 0.0 if self.lacking_since is None else max(0.0, now - self.lacking_since)


class Beats:
    """The primary's beats as this process came to know them, each with the moment before which it was begun.

    A beat is a random number, so that only a server that has replayed the very log in which it was made can have it. A
    replica that has more than its primary when that fails, and follows nobody from then on, has none of the beats of
    the one that took over: by its position in the log it would look up to date.
    """

    def __init__(self) -> None:
        self._known: deque[tuple[str, float]] = deque(maxlen=MOST_KEPT)

    def note(self, name: str, at: float) -> None:
        """Learn the primary's present beat.

        Args:
            name: its number.
            at: monotonic seconds; it was begun then or later.
        """
        if not self._known or self._known[-1][0] != name:
            self._known.append((name, at))

    def extent(self, held: Iterable[str]) -> Extent:
        """What the beats that a server has prove."""
        held = frozenset(held)
        lacking_since = None
        for name, at in reversed(self._known):
            if name in held:
                return Extent(at, lacking_since)
            lacking_since = at
        return Extent(NEVER, lacking_since)
