"""The nonces that this node itself has seen."""

from enum import Enum, auto

from polling_api.signing.nonces.protocol import KEPT

MOST = 100_000  # nonces, some 20 MB: ten minutes of 160 signed requests a second, and the newest of more


class Seen(Enum):
    """What became of a nonce that was to be remembered."""

    NEW = auto()
    KNOWN = auto()
    FORGOTTEN = auto()  # it is not known, and there is no room to remember it


class SeenNonces:
    """A bounded memory. Each nonce is remembered for `KEPT` seconds.

    When it is full, what all nodes share makes room, the oldest first: losing it costs nothing while the store
    answers. What this node alone has seen is never given up before its time: it was let pass without the store, which
    will let it pass again. When nothing else is left, a new nonce is not remembered. It is then as good as one that
    another node saw while the store was away: reads of status may be repeated until it is back, and nothing else.

    Args:
        most: nonces.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        # By their digests, when they die; all live equally long, so that each dictionary is in the order of dying.
        self._shared: dict[bytes, float] = {}
        self._only_here: dict[bytes, float] = {}

    def __len__(self) -> int:
        return len(self._shared) + len(self._only_here)

    def remember(self, digest: bytes, now: float) -> Seen:
        """Remember a nonce, as one that only this node has seen.

        Args:
            digest: of key and nonce.
            now: seconds of a clock that never goes back.
        """
        self._drop_dead(now)
        if digest in self._only_here or digest in self._shared:
            return Seen.KNOWN
        if len(self) >= self._most:
            if not self._shared:
                return Seen.FORGOTTEN
            del self._shared[next(iter(self._shared))]
        self._only_here[digest] = now + KEPT
        return Seen.NEW

    def share(self, digest: bytes) -> None:
        """Note that the store has a nonce, too."""
        dies_at = self._only_here.pop(digest, None)
        if dies_at is not None:
            self._shared[digest] = dies_at

    def _drop_dead(self, now: float) -> None:
        for nonces in (self._shared, self._only_here):
            while nonces and nonces[oldest := next(iter(nonces))] <= now:
                del nonces[oldest]
