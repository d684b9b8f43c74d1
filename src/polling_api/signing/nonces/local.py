"""The twin of the store in one process, for nodes that live in one."""

import time
from collections.abc import Callable

from polling_api.signing.nonces.protocol import KEPT


class LocalNonceStore:
    """Nonces in memory, which several nodes of one process may share.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._dies_at: dict[bytes, float] = {}
        self._away = False

    async def add(self, digest: bytes) -> bool:
        """Keep a nonce; tells whether it was not kept already."""
        if self._away:
            raise ConnectionError("The store is away.")
        now = self._clock()
        while self._dies_at and self._dies_at[oldest := next(iter(self._dies_at))] <= now:
            del self._dies_at[oldest]
        if digest in self._dies_at:
            return False
        self._dies_at[digest] = now + KEPT
        return True

    async def close(self) -> None:
        """Nothing is held."""

    def go_down(self) -> None:
        """Answer nobody."""
        self._away = True

    def come_back(self) -> None:
        """Answer again."""
        self._away = False

    def forget(self) -> None:
        """Know nothing any more."""
        self._dies_at.clear()
