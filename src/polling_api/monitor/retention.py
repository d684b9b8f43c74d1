"""Deletes what has been kept for long enough, beside the sweeps and never in their way."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from functools import partial
from random import random
from time import monotonic
from typing import Any

import structlog

from polling_api.resilience.cancellation import to_the_end
from polling_api.resilience.reporting import report
from polling_api.store import audit_partitions, purges, retention
from polling_api.store.clock import database_time
from polling_api.store.engine import Engine

MOST_JOBS = 100  # in a statement: with their versions some 10,000 rows, and few enough to be found by index
MOST_KEYS = 1000  # in a statement
MOST_ROWS = 1000  # in a transaction: a longer one hides later commits from those who replay
PAUSE = 0.01  # seconds between two statements: others come first
BUSY = 0.5  # the share of the time in which it may be at work

PublishGone = Callable[[Sequence[str]], Awaitable[None]]
"""Told of jobs that were deleted; never raises, and takes a bounded time."""

Step = Callable[[], Coroutine[Any, Any, tuple[int, bool]]]
"""Does a bounded piece of work; answers how much that was, and whether there may be more."""

_log = structlog.get_logger(__name__)


class Retention:
    """Gives up results, deletes jobs and keys when their time is over, and purges the rows of what is gone.

    Of the audit log it drops the months that are over, and makes those to come.

    Any number may run side by side; each does what it finds and no other has in hand. What a turn does not get
    done is left for the next.

    Args:
        engine: the primary's.
        publish_gone: told of deleted jobs, after the commit.
        jobs_keep: seconds from a job's end until it is deleted.
        audit_keep: seconds that every entry of the audit log is kept; its month is dropped when all of it is over.
        deliveries_keep: seconds from a webhook delivery's end until it is deleted.
        every: seconds between two turns, give or take a half, so that monitors started together drift apart.
        now: tells which month it is; by default the database's clock, since a node's own may be wrong by years.
    """

    def __init__(
        self,
        engine: Engine,
        publish_gone: PublishGone,
        *,
        jobs_keep: float,
        audit_keep: float,
        deliveries_keep: float = 30 * 86_400,
        every: float,
        now: Callable[[], Awaitable[datetime]] | None = None,
    ) -> None:
        self._engine = engine
        self._publish_gone = publish_gone
        self._jobs_keep = jobs_keep
        self._audit_keep = timedelta(seconds=audit_keep)
        self._deliveries_keep = deliveries_keep
        self._every = every
        self._now = now or partial(database_time, engine)

    async def run(self) -> None:
        """Take turns until cancelled; what is being written then is written first."""
        await asyncio.sleep(self._every * random())  # noqa: S311
        while True:
            try:
                await self.turn()
            except Exception as error:  # noqa: BLE001 - what is not deleted now is deleted later
                report(error, "retention broken off")
            await asyncio.sleep(self._every * (0.5 + random()))  # noqa: S311

    async def turn(self) -> None:
        """Delete what is over now, as much as half an interval is enough for.

        Raises:
            Unavailable: the database does not answer.
        """
        kinds = {
            "results": self._expire_results,
            "jobs": self._expire_jobs,
            "keys": self._expire_keys,
            "deliveries": self._expire_deliveries,
            "rows": self._purge,
            "months_made": self._make_months,
            "months_dropped": self._drop_months,  # last: it may find the log in use, which ends the turn
        }
        within = self._every * BUSY / len(kinds)
        done = {kind: await _all_of(step, within) for kind, step in kinds.items()}
        if any(done.values()):
            _log.info("retention", **done)

    async def _expire_results(self) -> tuple[int, bool]:
        expired = await retention.expire_results(self._engine, limit=MOST_JOBS)
        return len(expired), len(expired) == MOST_JOBS

    async def _expire_jobs(self) -> tuple[int, bool]:
        gone = await retention.expire_jobs(self._engine, jobs_keep=self._jobs_keep, limit=MOST_JOBS)
        await self._publish_gone(gone)
        return len(gone), len(gone) == MOST_JOBS

    async def _expire_keys(self) -> tuple[int, bool]:
        expired = await retention.expire_keys(self._engine, limit=MOST_KEYS)
        return expired, expired == MOST_KEYS

    async def _expire_deliveries(self) -> tuple[int, bool]:
        expired = await retention.expire_deliveries(self._engine, keep=self._deliveries_keep, limit=MOST_JOBS)
        return expired, expired == MOST_JOBS

    async def _purge(self) -> tuple[int, bool]:
        purged = await purges.purge(self._engine, rows=MOST_ROWS)
        return purged.rows, purged != purges.Purged(0, 0)

    async def _make_months(self) -> tuple[int, bool]:
        return len(await audit_partitions.make(self._engine, await self._now())), False

    async def _drop_months(self) -> tuple[int, bool]:
        before = await self._now() - self._audit_keep
        return len(await audit_partitions.drop(self._engine, before=before)), False


async def _all_of(step: Step, within: float) -> int:
    """Repeat a step while there is more, for so many seconds; answers how much was done."""
    until = monotonic() + within
    total, more = 0, True
    while more and monotonic() < until:
        done, more = await to_the_end(step())
        total += done
        await asyncio.sleep(PAUSE)
    return total
