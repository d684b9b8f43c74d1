"""Which keys have ended, for as long as a token of one of them might still be shown."""

from collections.abc import Iterable

KEPT = 25 * 3600.0  # seconds: an access token lives a day at most, and an hour is for all that takes time
# Seconds by which a key's end may be seen later than it is dated: its transaction waits for locks, or is held up before
# its commit. Both are bounded by the statement timeout, a fraction of this.
LATE = 300.0


class EndedKeys:
    """A set that only grows, but for what nobody needs any more: a key that has ended is never good again.

    Moments are in monotonic seconds, and given by the caller.
    """

    def __init__(self) -> None:
        self._learnt_at: dict[str, float] = {}
        self._complete_at: float | None = None

    def __contains__(self, key_id: str) -> bool:
        return key_id in self._learnt_at

    @property
    def complete(self) -> bool:
        """Whether all that ended before has been read, so that what is not in the set was good then."""
        return self._complete_at is not None

    def unread(self, now: float) -> float:
        """Over how many of the last seconds the next read has to reach so that nothing is left out."""
        return KEPT if self._complete_at is None else min(now - self._complete_at + LATE, KEPT)

    def add(self, ids: Iterable[str], now: float) -> None:
        """Add keys."""
        for key_id in ids:
            self._learnt_at.setdefault(key_id, now)

    def completed(self, asked_at: float) -> None:
        """Note that all is read that had ended when it was asked for, and forget what is too old to matter."""
        self._complete_at = max(self._complete_at or asked_at, asked_at)
        while self._learnt_at:
            key_id, learnt_at = next(iter(self._learnt_at.items()))
            if learnt_at >= asked_at - KEPT:  # and so were the rest, learnt later
                return
            del self._learnt_at[key_id]
