"""What callers were told is not there, for some seconds: who asks again costs the primary nothing."""

from collections import OrderedDict
from collections.abc import Callable

TOLD_FOR = 5.0  # seconds: a new job's id is known to nobody before the job can be read, so none is denied for long
MOST_KEPT = 20_000  # some 5 MiB; whoever asks for more different ids only costs a read again


class Absences:
    """Pairs of a caller and an id for which the primary was asked in vain.

    They are kept for each caller, so that whether a job exists cannot be told from who else was denied it.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: OrderedDict[tuple[str, str], float] = OrderedDict()

    def has(self, caller: str, job_id: str) -> bool:
        """Whether `caller` was told so a moment ago."""
        until = self._until.get((caller, job_id))
        return until is not None and self._clock() < until

    def add(self, caller: str, job_id: str) -> None:
        """Note that `caller` is told so now."""
        self._until[caller, job_id] = self._clock() + TOLD_FOR
        self._until.move_to_end((caller, job_id))
        if len(self._until) > MOST_KEPT:
            self._until.popitem(last=False)
