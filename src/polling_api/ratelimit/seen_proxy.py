"""Finds out that all callers seem to be one, since a proxy in front is not named as trusted."""

from math import floor

_LOOKED_BACK = 60.0  # seconds
_ENOUGH = 50  # requests in that time, below which nothing is said
_SHARE = 0.9  # of them, from one peer and with a header that proxies write


class SeenProxy:
    """Counts, minute by minute, the requests of the peer that most of those with forwarding headers come from.

    The candidate is found by majority vote (Boyer and Moore): one name and two numbers, however many peers there are.
    """

    def __init__(self) -> None:
        self._minute: int = 0
        self._began = 0.0  # of the minute, epoch seconds
        self._begin()
        self._found: str | None = None

    def note(self, peer: str, now: float, *, forwarded: bool) -> None:
        """See a request.

        Args:
            peer: the address that it counts against, which is the peer's.
            now: epoch seconds.
            forwarded: whether it has `Forwarded` or `X-Forwarded-For` though its peer is not trusted.
        """
        if not self._began <= now < self._began + _LOOKED_BACK:
            self._turn(now)
        self._all += 1
        if not forwarded:
            return
        if self._lead == 0:
            self._candidate = peer
            self._count = 0
        self._lead += 1 if peer == self._candidate else -1
        self._count += peer == self._candidate

    def found(self, now: float) -> str | None:
        """The address of what seems to be a proxy in front of all callers, as of the last full minute."""
        self._turn(now)
        return self._found

    def _turn(self, now: float) -> None:
        minute: int = floor(now / _LOOKED_BACK)
        if minute == self._minute:
            return
        likely = self._all >= _ENOUGH and self._count >= _SHARE * self._all
        self._found = self._candidate if likely and minute == self._minute + 1 else None
        self._minute = minute
        self._began = minute * _LOOKED_BACK
        self._begin()

    def _begin(self) -> None:
        self._all = self._count = self._lead = 0
        self._candidate: str | None = None
