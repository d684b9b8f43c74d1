"""Slow work for single jobs, beside the sweeps: so many at once, so many in line, none without its lease."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from polling_api.errors import Unavailable
from polling_api.monitor.ledger import Ledger
from polling_api.monitor.tenure import LeaseLost, Tenure
from polling_api.resilience.cancellation import stop

IN_LINE = 7  # waiting for each one under way: work for some seconds; the rest is other monitors' to find

_log = structlog.get_logger(__name__)


class Errands:
    """Runs errands as tasks.

    An errand ends when its lease does. One that fails lets its lease run out, and the job is claimed anew.

    Args:
        ledger: which holds the leases.
        at_once: so many run at the same time.

    Attributes:
        most: so many are under way or in line.
    """

    def __init__(self, ledger: Ledger, *, at_once: int) -> None:
        self._ledger = ledger
        self._slots = asyncio.Semaphore(at_once)
        self.most = at_once * (1 + IN_LINE)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def room(self) -> int:
        """How many more can be started."""
        return self.most - len(self._tasks)

    def start(self, tenure: Tenure, work: Callable[[], Awaitable[None]]) -> None:
        """Begin as soon as one of those at once has ended. There has to be room."""
        task = asyncio.create_task(self._run(tenure, work), name=f"errand for {tenure.job_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, grace: float) -> None:
        """Wait `grace` seconds for what is under way, then stop it; leases are kept, to be given back."""
        await stop(list(self._tasks), within=grace)

    async def _run(self, tenure: Tenure, work: Callable[[], Awaitable[None]]) -> None:
        try:
            async with tenure.holding(), self._slots:
                await work()
        except LeaseLost:
            _log.warning("lease lost, work stopped", job_id=tenure.job_id)
        except Unavailable as error:
            _log.warning("database away, work stopped", job_id=tenure.job_id, reason=error.detail)
        except Exception:  # noqa: BLE001 - one job's trouble is not the others'
            _log.exception("work failed", job_id=tenure.job_id)
        self._ledger.let_go(tenure)
