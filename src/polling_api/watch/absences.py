"""What callers were told is not there, for some seconds: who asks again costs the primary nothing."""

from collections import OrderedDict
from collections.abc import Callable, Collection

from polling_api import metrics
from polling_api.domain.caller import Caller
from polling_api.hub import Notice

TOLD_FOR = 5.0  # seconds: a new job's id is known to nobody before the job can be read, so none is denied for long
MOST_KEPT = 20_000  # some 7 MiB; whoever asks for more different ids only costs a read again


class Absences:
    """Pairs of a caller and an id for which the primary was asked in vain.

    They are kept for each caller, so that whether a job exists cannot be told from who else was denied it. They have a
    bound of their own: whoever asks for many unknown ids pushes out no snapshot. A job that is published ends the
    denials of those who see it, and of nobody else, who could tell from that that there is one.

    Args:
        clock: monotonic seconds.
        told_for: seconds.
        most: pairs; beyond them the longest known are forgotten.
    """

    def __init__(self, clock: Callable[[], float], *, told_for: float = TOLD_FOR, most: int = MOST_KEPT) -> None:
        self._clock = clock
        self._told_for = told_for
        self._most = most
        self._until: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._denied: dict[str, dict[str, Caller]] = {}  # by id, then by the caller's name

    def __len__(self) -> int:
        """How many pairs are kept."""
        return len(self._until)

    def has(self, caller: Caller, job_id: str) -> bool:
        """Whether `caller` was told so a moment ago."""
        until = self._until.get((caller.name, job_id))
        found = until is not None and self._clock() < until
        metrics.absence_reads("hit" if found else "miss").inc()
        return found

    def add(self, caller: Caller, job_ids: Collection[str]) -> None:
        """Note that `caller` is told so now, the primary having been asked."""
        now = self._clock()
        for job_id in job_ids:
            self._until[caller.name, job_id] = now + self._told_for
            self._until.move_to_end((caller.name, job_id))
            self._denied.setdefault(job_id, {})[caller.name] = caller
        self._make_room(now)
        metrics.ABSENCES.set(len(self._until))

    def notice(self, notice: Notice) -> None:
        """There is such a job: those who see it are denied it no longer."""
        denied = self._denied.get(notice.job_id)
        if denied is None or notice.tells_deletion:
            return
        try:
            job = notice.job()
        except (ValueError, KeyError, TypeError, AttributeError):
            return  # the watch tells of it; a denial is over by itself in a moment
        for name in [name for name, caller in denied.items() if caller.sees(job)]:
            self._forget(name, notice.job_id, "appeared")
        metrics.ABSENCES.set(len(self._until))

    def gap(self) -> None:
        """The notice of a new job may have been missed: forget all."""
        metrics.absence_evictions("gap").inc(len(self._until))
        self._until.clear()
        self._denied.clear()
        metrics.ABSENCES.set(0)

    def _make_room(self, now: float) -> None:
        while self._until:
            oldest, until = next(iter(self._until.items()))
            if until <= now:
                self._forget(*oldest, "over")
            elif len(self._until) > self._most:
                self._forget(*oldest, "full")
            else:
                break

    def _forget(self, name: str, job_id: str, reason: str) -> None:
        del self._until[name, job_id]
        denied = self._denied[job_id]
        del denied[name]
        if not denied:
            del self._denied[job_id]
        metrics.absence_evictions(reason).inc()
