"""From a batch that is said to have ended to a job that is due at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from polling_api import metrics
from polling_api.errors import Unavailable
from polling_api.store.pushes import MadeDue

MOST_WAITING = 10_000  # batches; ten times what a monitor claims at once
MOST_AT_ONCE = 1000  # in one statement
EVERY = 0.05  # seconds between two statements at least, so that a flood is 20 a second
# Seconds after a try until the next. A monitor may hold the job, and look before the batch ended; or the batch ended
# sooner than its id was stored. A look takes far less than these together; what is not found by then the sweep finds.
PAUSES = (0.1, 0.4, 1.0, 2.0)

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Wanted:
    next_try: float
    tries: int = 0
    held: bool = False


class Pushes:
    """Makes the jobs of batches due, many at once, each batch once at a time, however often it is named.

    Nothing here is kept if the process ends: then the jobs are looked at when they would have been anyway.

    Args:
        make_due: makes the jobs of some batches due, by the provider's ids; raises `Unavailable`.
        ring: wakes the monitors.
        clock: gives seconds.
    """

    def __init__(
        self,
        make_due: Callable[[Sequence[str]], Awaitable[MadeDue]],
        ring: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._make_due = make_due
        self._ring = ring
        self._clock = clock
        self._waiting: dict[str, _Wanted] = {}
        self._wake = asyncio.Event()

    def take(self, batch_id: str) -> bool:
        """Have the job of a batch made due in a moment; answers whether there was room for it."""
        if batch_id in self._waiting:
            metrics.PUSHES.labels("joined").inc()
        elif len(self._waiting) >= MOST_WAITING:
            return False
        self._waiting[batch_id] = _Wanted(self._clock())
        self._wake.set()
        return True

    async def run(self) -> None:
        """Make jobs due, until cancelled."""
        while True:
            await self._until_wanted()
            now = self._clock()
            wanted = [batch_id for batch_id, one in self._waiting.items() if one.next_try <= now][:MOST_AT_ONCE]
            if wanted:
                await self._try({batch_id: self._waiting[batch_id] for batch_id in wanted})
            await asyncio.sleep(EVERY)

    async def _until_wanted(self) -> None:
        self._wake.clear()
        if not self._waiting:
            await self._wake.wait()
            return
        seconds = min(one.next_try for one in self._waiting.values()) - self._clock()
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _try(self, wanted: dict[str, _Wanted]) -> None:
        try:
            made = await self._make_due(list(wanted))
        except Unavailable as error:
            _log.warning("jobs of ended batches not made due", batches=len(wanted), reason=error.detail)
            made = MadeDue((), ())
        if made.due:
            self._ring()
        due, held = set(made.due), set(made.held)
        for batch_id, one in wanted.items():
            if self._waiting.get(batch_id) is not one:  # named again meanwhile: tried again, too
                continue
            if batch_id in due:
                self._settle(batch_id, "due")
            else:
                one.held = batch_id in held
                self._put_off(batch_id, one)

    def _put_off(self, batch_id: str, one: _Wanted) -> None:
        if one.tries < len(PAUSES):
            one.next_try = self._clock() + PAUSES[one.tries]
            one.tries += 1
        else:
            self._settle(batch_id, "held" if one.held else "unknown")

    def _settle(self, batch_id: str, outcome: str) -> None:
        del self._waiting[batch_id]
        metrics.PUSHES.labels(outcome).inc()
