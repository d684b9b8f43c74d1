"""When keys were used, gathered in memory and written a few times an hour."""

from collections.abc import Callable

from polling_api.signing.key_source import KeySource

FLUSH_EVERY = 60.0  # seconds: nobody needs to know it sooner, and a write for each request would cost more than it
MOST = 10_000  # keys: as many as the keyring holds
AT_ONCE = 500  # keys in one statement, whose rows are locked for some milliseconds


class Uses:
    """The last use of each key since it was last written.

    Args:
        source: where it is kept.
        clock: monotonic seconds.
    """

    def __init__(self, source: KeySource, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._used_at: dict[str, float] = {}
        self._flushed_at = clock()

    def note(self, key_id: str) -> None:
        """Note that a key is used now; beyond the bound it is forgotten until the next write."""
        if key_id in self._used_at or len(self._used_at) < MOST:
            self._used_at[key_id] = self._clock()

    async def flush_if_due(self) -> None:
        """Write what was used, if the last time was a minute ago.

        Raises:
            Unavailable: some may be written; what may not be is kept for the next time.
        """
        if self._clock() - self._flushed_at >= FLUSH_EVERY:
            self._flushed_at = self._clock()
            await self.flush()

    async def flush(self) -> None:
        """Write what was used; as `flush_if_due` otherwise."""
        used_at, self._used_at = self._used_at, {}
        try:
            while used_at:
                some = {key_id: self._clock() - used_at[key_id] for key_id in list(used_at)[:AT_ONCE]}
                await self._source.note_used(some)
                for key_id in some:
                    del used_at[key_id]
        finally:
            for key_id, at in used_at.items():
                self._used_at.setdefault(key_id, at)
