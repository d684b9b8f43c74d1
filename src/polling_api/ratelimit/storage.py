"""The counters as a storage of `limits`, which slowapi's limits stand on."""

from collections.abc import Callable
from time import time

from limits.storage import SlidingWindowCounterSupport, Storage

from polling_api.ratelimit.counters import Counters


class CountersStorage(Storage, SlidingWindowCounterSupport):
    """Decides in process, and never blocks: a `Counters` is reconciled with the other processes in the background.

    A key of `limits` ends in the limit's amount and length. They are cut off: what a caller has used stays when its
    figure is changed, and a limit that is declared here counts together with `Windows` where names agree.

    Args:
        counters: what is counted here, and shared.
        clock: gives epoch seconds.
    """

    STORAGE_SCHEME = None  # made in code only, from parts, so that no address leads to it

    def __init__(self, counters: Counters, clock: Callable[[], float] = time) -> None:
        super().__init__()
        self._counters = counters
        self._clock = clock

    @property
    def base_exceptions(self) -> type[Exception]:
        """What a storage may raise; this one does not."""
        return ConnectionError

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` requests, if they fit under `limit` in `expiry` seconds."""
        now = self._clock()
        table, name = self._counters.table(expiry), name_of(key)
        counter = table.current(name, now)
        if (0 if counter is None else counter.used(now)) + amount > limit:
            if counter is not None:
                self._counters.note(counter)
            return False
        counter = counter or table.make(name, now)
        counter.take(amount, now)
        self._counters.note(counter)
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Requests of the window before and seconds of it left to count, and the same of the present one.

        The strategy of `limits` weighs the one before by its seconds left, so they are said such that it comes to what
        is decided here.
        """
        now = self._clock()
        counter = self._counters.table(expiry).current(name_of(key), now)
        if counter is None:
            return 0, 0.0, 0, float(expiry)
        still = counter.used(now) - counter.count
        left = expiry * still / counter.before if counter.before else 0.0
        return counter.before, left, counter.count, counter.over - now

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Forget the requests under `key`, in this process."""
        counter = self._counters.table(expiry).find(name_of(key))
        if counter is not None:
            counter.forget()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count without a limit, and say how many count in the last `expiry` seconds."""
        now = self._clock()
        table, name = self._counters.table(expiry), name_of(key)
        counter = table.current(name, now) or table.make(name, now)
        counter.take(amount, now)
        self._counters.note(counter)
        return counter.used(now)

    def get(self, key: str) -> int:
        """Not supported: a fixed window's key does not say its length."""
        raise NotImplementedError(f"{key}: only the sliding-window-counter strategy is supported")

    def get_expiry(self, key: str) -> float:
        """Not supported, as `get`."""
        raise NotImplementedError(f"{key}: only the sliding-window-counter strategy is supported")

    def check(self) -> bool:
        """Whether it can decide, which it always can."""
        return True

    def reset(self) -> int | None:
        """Forget all requests, in this process."""
        counted = len(self._counters)
        self._counters.clear()
        return counted

    def clear(self, key: str) -> None:
        """Not supported, as `get`."""
        raise NotImplementedError(f"{key}: only the sliding-window-counter strategy is supported")


def name_of(key: str) -> str:
    """The name that is counted under a key of `limits`: `namespace/…/amount/multiples/granularity`."""
    return key.partition("/")[2].rsplit("/", 3)[0]
