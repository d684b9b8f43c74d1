"""Publish and dispatch, over whatever carries the messages."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from polling_api import metrics
from polling_api.domain.job import Job
from polling_api.hub.notice import Notice
from polling_api.hub.transport import Listener, Transport
from polling_api.resilience.together import run_together

MOST_WAITING = 10_000  # notices; when the carrier is away they are worth less than the memory
MOST_AT_ONCE = 500  # notices in one pipeline: some 400 KiB

_log = structlog.get_logger(__name__)


class Hub:
    """One process's ear and mouth.

    Publishing never makes the caller wait: notices are queued and sent in the order given, as many at once as have
    gathered. What is lost on the way is made up for by comparison with the primary.

    Args:
        transport: carries the messages.
        clock: monotonic seconds.
    """

    def __init__(self, transport: Transport, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._listeners: list[Listener] = []
        self._heeding: list[Callable[[], None]] = []
        self._waiting: deque[Notice] = deque(maxlen=MOST_WAITING)
        self._wake = asyncio.Event()
        self._sent = asyncio.Event()
        self._sent.set()

    @property
    def listening(self) -> bool:
        """Whether notices are being heard now."""
        return self._transport.listening

    def join(self, listener: Listener) -> None:
        """Tell `listener` of every notice and gap from now on. Call before `run`."""
        self._listeners.append(listener)

    def heed(self, ringing: Callable[[], None]) -> None:
        """Call `ringing` whenever somebody rings; it is quick, and raises nothing. Call before `run`."""
        self._heeding.append(ringing)

    def ring(self) -> None:
        """Queue the news that some job is due now; never waits, never raises."""
        self._queue([Notice.ring()])

    async def publish(self, jobs: Sequence[Job], seen_at: float | None = None) -> None:
        """Queue the news of committed versions; never waits, never raises.

        Args:
            jobs: the versions.
            seen_at: monotonic seconds, before the primary was asked; without it nobody else can say how old they are,
                and they are told, but not kept.
        """
        self._queue([Notice.of(job, seen_at) for job in jobs])

    async def publish_gone(self, ids: Sequence[str]) -> None:
        """Queue the news of jobs that were deleted; never waits, never raises."""
        self._queue([Notice.gone(job_id, self._clock()) for job_id in ids])

    async def flushed(self) -> None:
        """Return when all that was queued has been sent or given up."""
        await self._sent.wait()

    async def run(self) -> None:
        """Listen and publish until cancelled.

        Raises:
            Exception: one of the two ended; the other has been ended too.
        """
        await run_together(self._transport.listen(self), self._publish_what_waits())

    async def close(self) -> None:
        """Give back connections."""
        await self._transport.close()

    def notice(self, notice: Notice) -> None:
        """Pass a notice on."""
        if notice.rings:
            for ringing in self._heeding:
                ringing()
            return
        for listener in self._listeners:
            listener.notice(notice)

    def gap(self) -> None:
        """Pass a gap on."""
        metrics.GAPS.inc()
        for listener in self._listeners:
            listener.gap()

    def _queue(self, notices: Sequence[Notice]) -> None:
        if not notices:
            return
        overflow = len(self._waiting) + len(notices) - MOST_WAITING
        if overflow > 0:
            metrics.PUBLISHED.labels("dropped").inc(overflow)
        self._waiting.extend(notices)
        self._sent.clear()
        self._wake.set()

    async def _publish_what_waits(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
                await self._send(batch)
            self._sent.set()

    async def _send(self, batch: list[Notice]) -> None:
        try:
            await self._transport.publish(batch)
        except ConnectionError as error:
            metrics.PUBLISHED.labels("failed").inc(len(batch))
            _log.warning("notices not sent", count=len(batch), reason=str(error))
        else:
            metrics.PUBLISHED.labels("sent").inc(len(batch))
