"""Refusals are too many to be written one by one: a row a minute tells how many there were."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime

import structlog

from polling_api import metrics
from polling_api.audit.minute import MINUTE, Minute
from polling_api.audit.sink import Sink
from polling_api.domain.audit import Entry
from polling_api.domain.caller import Caller
from polling_api.errors import Unavailable

MOST_ROWS = 1000  # in a statement
MOST_WAITING = 10_000  # rows, some 5 MB: hours of an ordinary day while the database is away, minutes of an attack

_log = structlog.get_logger(__name__)


class Refusals:
    """Counts what was refused, and writes a row a minute for each caller, code and route.

    Each process writes its own: with several there are as many rows for the same, which add up. Callers beyond a
    number in a minute are summed by code alone, so that nobody can fill the memory or the table.

    Args:
        write: keeps entries for good; tried again each minute while it cannot.
        now: the wall clock, which says to which minute a refusal belongs.
        pause: sleeps for so many seconds.
    """

    def __init__(
        self,
        write: Sink,
        *,
        now: Callable[[], datetime],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._write = write
        self._now = now
        self._pause = pause
        self._minute = Minute.of(now())
        self._waiting: deque[Entry] = deque()
        self._writing: asyncio.Task[None] | None = None

    def count(self, caller: Caller, *, code: str, route: str, address: str) -> None:
        """Count a refusal; without I/O.

        Args:
            caller: to whom it was refused, as far as it is known.
            code: the problem's.
            route: the name of what was asked for, of a fixed set, as `read_results`.
            address: the network address it came from, an IPv6 one cut to what one caller has.
        """
        self._turn_over()
        self._minute.add(caller, code, route, address)

    async def run(self) -> None:
        """Write each minute's sums when it is over, until cancelled; what is being written then is written."""
        while True:
            # A clock that was set back must not make us sleep for as long.
            await self._pause(min(self._minute.end - self._now(), MINUTE).total_seconds())
            self._turn_over()
            await asyncio.shield(self._written())

    async def flush(self, within: float) -> None:
        """Write all that was counted until now, for the end of the process; what does not get through is lost.

        Args:
            within: seconds.
        """
        self._close()
        await asyncio.wait([self._written()], timeout=within)
        _lost(self._waiting)

    def _turn_over(self) -> None:
        """Close the minute if it is over; whoever comes first sees to it, so none is counted beyond its edge."""
        if not self._minute.holds(self._now()):
            self._close()

    def _close(self) -> None:
        self._waiting.extend(self._minute.entries())
        self._minute = Minute.of(self._now())
        self._bound()

    def _written(self) -> asyncio.Task[None]:
        """What ends when all that waits is written, or cannot be; a commit is not cut off by whoever waits for it."""
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return self._writing

    async def _write_all(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_ROWS))]
            try:
                await self._write(group)
            except Unavailable as error:
                # The same rows again: those that did get in have their minute and their id, and are not written twice.
                self._waiting.extendleft(reversed(group))
                self._bound()
                _log.warning("refusals not recorded yet", rows=len(self._waiting), reason=error.detail)
                return
            except Exception:  # noqa: BLE001 - logged
                # A mistake of ours, which trying again would not mend: the rows behind them must not wait for ever.
                _log.exception("refusals cannot be recorded")
                _lost(group)
            else:
                metrics.AUDIT_ROWS.labels("refusals").inc(len(group))

    def _bound(self) -> None:
        """Give up the oldest rows where too many wait."""
        excess = len(self._waiting) - MOST_WAITING
        if excess > 0:
            _lost([self._waiting.popleft() for _ in range(excess)])


def _lost(entries: Collection[Entry]) -> None:
    refusals = sum(entry.count for entry in entries)
    if refusals:
        metrics.REFUSALS_LOST.inc(refusals)
        _log.error("refusals not recorded", rows=len(entries), refusals=refusals)
