"""The monitor itself: claims what is due, looks, sleeps, and ends in good order."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from random import random

import structlog

from polling_api.monitor.decision import Patience
from polling_api.monitor.ledger import Ledger, Point, Publish, Renew, nothing, to_nobody
from polling_api.monitor.sweep import Sweep
from polling_api.monitor.tenure import Tenure
from polling_api.providers.protocol import Provider
from polling_api.resilience.backoff import full_jitter
from polling_api.resilience.cancellation import stop
from polling_api.resilience.reporting import report
from polling_api.resilience.together import raise_for, until_over
from polling_api.store.engine import Engine

MOST_CLAIMED = 1000  # jobs in one sweep: one transaction of some 50 ms
SWEEPS_AT_ONCE = 4  # a provider that is slow about one job must not keep the others; 4,000 jobs in memory
RENEWALS = 3  # in the time of a lease: two may fail before it is lost
LONGEST_REST = 1.0  # seconds: a lost wake-up costs a new job no more
SHORTEST_REST = 0.02  # seconds: what is due may be locked by another monitor for a moment
# Of the interval: what comes due within it is looked at together. A sweep takes three statements, for one job as for a
# thousand, and jobs that were submitted one by one would be looked at one by one for ever.
TOGETHER = 1 / 60
FIRST_BACKOFF, LONGEST_BACKOFF = (
    0.5,
    5.0,
)  # seconds without the database: then every process comes back at once
GRACE = 1.0  # seconds at the end for calls under way; two of these and a commit are within a container's 10 s

_log = structlog.get_logger(__name__)


class BatchMonitor:
    """Moves jobs from submission to their end. Any number may run side by side: leases divide the work.

    It looks by its own clock; waking it only makes it look sooner. Whatever one job does wrong is logged with
    its id and costs the others nothing. While the database is away it waits for it.

    Args:
        engine: the primary's.
        provider: runs the batches.
        publish: told of every committed version, after the commit; never raises, and takes a bounded time.
        renew: told of every version that a sweep begins with; never waits, never raises.
        owner: this monitor's name, unlike that of any other, also of an earlier one.
        interval: seconds between two looks upstream at a job.
        lease: seconds after which a dead monitor's jobs are taken over; renewed three times in that.
        concurrency: submissions to the provider at once, and as many cancels and fetches.
        results_keep: seconds from a job's end until its results expire.
        submit_within: seconds until a job that the provider could not take has failed.
        wake: set when there is something to do at once; cleared here.
        grace_after_deadline: seconds from a job's own deadline until it ends with what there is.
        results_within: seconds from a batch's end until a job whose results cannot be had ends without.
        longest_rest: seconds between two looks for what is due, if nobody wakes it.
        at: called by name at the points where a crash would be worst, see `Point`.
    """

    def __init__(
        self,
        engine: Engine,
        provider: Provider,
        publish: Publish,
        *,
        owner: str,
        interval: float,
        lease: float,
        concurrency: int,
        results_keep: float,
        submit_within: float,
        wake: asyncio.Event,
        renew: Renew = to_nobody,
        grace_after_deadline: float = 600,
        results_within: float = 86_400,
        longest_rest: float = LONGEST_REST,
        at: Point = nothing,
    ) -> None:
        self._ledger = Ledger(
            engine,
            publish,
            renew,
            at,
            owner=owner,
            lease=lease,
            results_keep=results_keep,
            given_back=self._look_in,
        )
        patience = Patience(interval, submit_within, grace_after_deadline, results_within)
        self._sweep = Sweep(self._ledger, provider, patience, at, random, concurrency=concurrency)
        self._wake = wake
        self._longest_rest = longest_rest
        self._shortest_rest = min(max(interval * TOGETHER, SHORTEST_REST), longest_rest)
        self._looks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(SWEEPS_AT_ONCE)
        self._stopping = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stopped.set()

    async def run(self) -> None:
        """Look after jobs until `stop`, or until cancelled.

        Raises:
            Exception: it had no part in what is due any more, or could not keep its leases. They have been given back:
                who renewed them and did nothing would keep the jobs from all others for ever.
        """
        self._stopped.clear()
        working, keeping = asyncio.create_task(self._work()), asyncio.create_task(self._keep_leases())
        try:
            ended = await until_over(self._stopping, [working, keeping])
        finally:
            await self._end(working, keeping)
            self._stopped.set()
        if ended:
            raise_for(ended)

    async def stop(self) -> None:
        """End within a few seconds: nothing is left half written, and every lease is given back."""
        self._stopping.set()
        await self._stopped.wait()

    async def _work(self) -> None:
        failures = 0
        while True:
            self._wake.clear()
            try:
                if await self._claim_and_look() < MOST_CLAIMED:
                    await self._rest()
                failures = 0
            except Exception as error:  # noqa: BLE001 - jobs without a monitor are worse than any mistake
                failures += 1
                report(error, "no sweep")
                await asyncio.sleep(_backoff(failures))

    async def _claim_and_look(self) -> int:
        """Claim what is due, and begin to look at it; answers how many jobs that were."""
        await self._turns.acquire()
        tenures: Sequence[Tenure] = []
        try:
            tenures = await self._ledger.claim(MOST_CLAIMED)
        finally:
            if not tenures:
                self._turns.release()
        if tenures:
            look = asyncio.create_task(self._look(tenures))
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)
        return len(tenures)

    async def _look(self, tenures: Sequence[Tenure]) -> None:
        try:
            await self._sweep.look(tenures)
        except Exception as error:  # noqa: BLE001 - see above
            report(error, "sweep broken off")
        finally:
            self._turns.release()

    async def _rest(self) -> None:
        """Sleep until the next job is due and others may be too, or until woken."""
        due = await self._ledger.next_due()
        seconds = self._longest_rest if due is None else min(max(due, self._shortest_rest), self._longest_rest)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def _look_in(self, seconds: float) -> None:
        """Wake for jobs that were given back, if it is in this rest: when that began they still looked leased."""
        if seconds < self._longest_rest:
            asyncio.get_running_loop().call_later(seconds, self._wake.set)

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._ledger.lease / RENEWALS)
            try:
                await self._ledger.renew()
            except Exception as error:  # noqa: BLE001 - the leases of what goes on well would be lost
                report(error, "leases not renewed")

    async def _end(self, working: asyncio.Task[None], keeping: asyncio.Task[None]) -> None:
        await stop([working], within=0)
        await asyncio.gather(self._sweep.close(GRACE), stop(list(self._looks), within=GRACE))
        await stop([keeping], within=0)
        giving_back = asyncio.create_task(self._ledger.release_all())
        await stop([giving_back], within=GRACE)
        if giving_back.cancelled() or giving_back.exception():
            _log.warning("leases not given back; they run out")


def _backoff(failures: int) -> float:
    return full_jitter(failures, first=FIRST_BACKOFF, most=LONGEST_BACKOFF, chance=random())  # noqa: S311
