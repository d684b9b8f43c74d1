"""What came of deliveries, written in groups: as many at once as have gathered while the last group was written."""

import asyncio
from collections import deque
from random import random
from time import monotonic

import structlog

from polling_api import metrics
from polling_api.errors import Unavailable
from polling_api.resilience.backoff import full_jitter
from polling_api.resilience.cancellation import to_the_end
from polling_api.resilience.reporting import report
from polling_api.store import webhook_outcomes
from polling_api.store.engine import Engine
from polling_api.store.webhook_outcomes import Result

MOST_AT_ONCE = 200  # results in one statement, some KiB each
FIRST_BACKOFF, LONGEST_BACKOFF = 0.1, 2.0  # seconds without the database

_log = structlog.get_logger(__name__)


class Outcomes:
    """Writes results until their leases end: from then on another may have sent the delivery again.

    While the database is away they are kept, no more than there are turns, and tried again.

    Args:
        engine: the primary's.
        owner: the name under which deliveries are claimed.
    """

    def __init__(self, engine: Engine, owner: str) -> None:
        self._engine = engine
        self._owner = owner
        self._waiting: deque[tuple[Result, float, asyncio.Future[None]]] = deque()
        self._wake = asyncio.Event()

    async def write(self, result: Result, lease_ends: float) -> None:
        """Have a result written; returns when it is, or when its lease has ended.

        Args:
            result: what came of a delivery.
            lease_ends: monotonic seconds.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((result, lease_ends, done))
        self._wake.set()
        await done

    async def run(self) -> None:
        """Write until cancelled; a group that is being written then is written first."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._write_some()

    async def _write_some(self) -> None:
        some = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
        failures = 0
        try:
            while held := [result for result, ends, _ in some if ends > monotonic()]:
                try:
                    marked = await to_the_end(webhook_outcomes.mark(self._engine, self._owner, held))
                except Unavailable as error:
                    failures += 1
                    report(error, "webhook results not written")
                    wait = full_jitter(failures, first=FIRST_BACKOFF, most=LONGEST_BACKOFF, chance=random())  # noqa: S311
                    await asyncio.sleep(wait)
                else:
                    for one in marked:
                        metrics.webhook_deliveries(one.status.value).inc()
                    return
            _log.warning("webhook leases ended before their results were written", count=len(some))
        finally:
            for _, _, done in some:
                if not done.done():
                    done.set_result(None)
