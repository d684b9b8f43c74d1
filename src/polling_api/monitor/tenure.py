"""Leases as their holder knows them: by a clock that goes on while the process is stopped."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import monotonic

from polling_api.store.leases import Claimed, Look


class LeaseLost(Exception):
    """Somebody else may hold the job's lease now: whatever is being done for it has to end."""


class Tenure:
    """One lease, from a claim to its release.

    Its end is counted from before the database was asked, so it never seems to last longer here than there.

    Args:
        claimed: the job as it was claimed.
        claimed_at: when the database was asked for it, on the monotonic clock.
        ends: when the lease ends unless it is renewed, on the monotonic clock.

    Attributes:
        settling: seconds that the job has to be left alone if it is given back now, because a request for it
            may still be under way.
    """

    def __init__(self, claimed: Claimed, claimed_at: float, ends: float) -> None:
        self.claimed = claimed
        self.claimed_at = claimed_at
        self.settling = 0.0
        self._ends = ends
        self._limit: asyncio.Timeout | None = None

    @property
    def job_id(self) -> str:
        """The job that is held."""
        return self.claimed.job.id

    @property
    def left(self) -> float:
        """Seconds for which the lease is surely still held; negative when it may be over."""
        return self._ends - monotonic()

    def look(self, wait: float, failures: int, *, observed: bool) -> Look:
        """Say how the job is given back: due in `wait` seconds, after `failures` in a row.

        A cancel that came meanwhile makes it due at once, but not before what may be under way for it has settled.
        """
        heeds_cancel = not self.claimed.cancel_requested and not self.settling
        return Look(self.job_id, wait, failures, observed, heeds_cancel)

    def ends_at(self, ends: float) -> None:
        """Move the end: later when renewed, to now when lost."""
        self._ends = ends
        if self._limit and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + self.left)

    @asynccontextmanager
    async def holding(self) -> AsyncGenerator[None]:
        """Do the block only while the lease is held; a process that was stopped meanwhile ends it on waking.

        Raises:
            LeaseLost: in place of what the block was about to do.
        """
        limit = asyncio.timeout(self.left)
        self._limit = limit
        try:
            async with limit:
                yield
        except TimeoutError:
            if limit.expired():
                raise LeaseLost(self.job_id) from None
            raise
        finally:
            self._limit = None
