"""How a monitor writes: fenced by its leases; committed first, then published; never cut off in between."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from time import monotonic

import structlog

from polling_api import metrics
from polling_api.domain.advance import Event, Settled, advance, settle
from polling_api.domain.job import Job, JobError, Status
from polling_api.domain.result import ItemResult, Stray
from polling_api.monitor.decision import change
from polling_api.monitor.tenure import Tenure
from polling_api.resilience.cancellation import to_the_end
from polling_api.store import leases, requests, results, strays
from polling_api.store.changes import Change
from polling_api.store.engine import Engine
from polling_api.store.leases import Claimed, Look

Publish = Callable[[Sequence[Job], float], Awaitable[None]]
"""Told of committed versions, and of a moment (monotonic seconds) before the primary was asked; never raises, and takes
a bounded time."""

Renew = Callable[[Sequence[Job], float], None]
"""Told of versions that were the newest at a moment, as above; never waits, never raises."""

Point = Callable[[str], Awaitable[None]]
"""Called by name where a crash would be worst. Tests end or stop the process there; else it does nothing."""

_log = structlog.get_logger(__name__)


class Ledger:
    """One monitor's leases, and all that it writes.

    Every method raises `Unavailable` where the database does not answer; then what it holds ends by itself.

    Args:
        engine: the primary's.
        publish: called after each commit, with what it wrote.
        renew: called after each claim, with what was claimed.
        at: see `Point`.
        owner: the monitor's name, unlike any other's, also any earlier one's.
        lease: seconds for which a claim or a renewal is good.
        results_keep: seconds from a job's end until its results expire.
        given_back: told, after jobs were, of the seconds until the first of them is due.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        engine: Engine,
        publish: Publish,
        renew: Renew,
        at: Point,
        *,
        owner: str,
        lease: float,
        results_keep: float,
        given_back: Callable[[float], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._engine = engine
        self._publish = publish
        self._renew = renew
        self._at = at
        self._owner = owner
        self._results_keep = results_keep
        self._given_back = given_back
        self._clock = clock
        self._held: dict[str, Tenure] = {}
        self.lease = lease

    async def claim(self, limit: int) -> list[Tenure]:
        """Claim up to `limit` due jobs."""
        return await to_the_end(self._claim(limit))

    async def _claim(self, limit: int) -> list[Tenure]:
        asked_at = self._clock()
        claimed = await leases.claim(self._engine, owner=self._owner, limit=limit, lease=self.lease)
        tenures = [Tenure(one, asked_at, asked_at + self.lease) for one in claimed]
        self._renew([one.job for one in claimed], asked_at)
        self._held.update((tenure.job_id, tenure) for tenure in tenures)
        return tenures

    async def republish(self, tenures: Iterable[Tenure]) -> None:
        """Publish again what a dead monitor may have committed without having been able to publish it."""
        if taken_over := [tenure for tenure in tenures if tenure.claimed.taken_over]:
            claimed_at = min(tenure.claimed_at for tenure in taken_over)
            await self._publish([tenure.claimed.job for tenure in taken_over], claimed_at)

    async def renew(self, tenures: Sequence[Tenure] | None = None) -> None:
        """Renew the leases of some jobs, or of all that are held; those that are lost end at once."""
        asked = list(self._held.values()) if tenures is None else tenures
        ends = self._clock() + self.lease
        kept = await to_the_end(
            leases.renew(self._engine, self._owner, [tenure.job_id for tenure in asked], self.lease)
        )
        for tenure in asked:
            tenure.ends_at(ends if tenure.job_id in kept else self._clock())
            if tenure.job_id not in kept:
                self.let_go(tenure)

    def let_go(self, tenure: Tenure) -> None:
        """Renew a lease no more: unless it was given back, it ends by itself, which is pause enough."""
        if self._held.get(tenure.job_id) is tenure:
            del self._held[tenure.job_id]

    async def save(self, changes: Sequence[Change]) -> dict[str, Job]:
        """Commit new versions, then publish them.

        Returns:
            The versions by id; without those whose lease is lost, or which somebody else has changed.
        """
        for one in changes:
            if one.next_look is not None or one.transition.status.terminal:
                self._held.pop(one.job_id, None)
        return await to_the_end(self._save(changes)) if changes else {}

    async def _save(self, changes: Sequence[Change]) -> dict[str, Job]:
        asked_at = self._clock()
        saved = await leases.save(self._engine, self._owner, changes, results_keep=self._results_keep)
        await self._at("saved")
        self._tell_given_back([one.next_look for one in changes if one.next_look is not None])
        await self._publish(saved, asked_at)
        await self._at("published")
        return {job.id: job for job in saved}

    async def release(self, looks: Sequence[Look]) -> None:
        """Give jobs back."""
        for look in looks:
            self._held.pop(look.job_id, None)
        await to_the_end(leases.release(self._engine, self._owner, looks))
        self._tell_given_back([look.next_look for look in looks])

    def _tell_given_back(self, waits: Sequence[float]) -> None:
        if waits:
            self._given_back(min(waits))

    async def release_all(self) -> None:
        """Give back whatever is still held, due at once, or as soon as nothing can be under way for it."""
        held = list(self._held.values())
        await self.release([one.look(one.settling, one.claimed.attempts, observed=False) for one in held])

    async def record(
        self, claimed: Claimed, job: Job, event: Event, *, wait: float | None = None, observed: bool = False
    ) -> Job | None:
        """Save what `event` makes of `job`.

        Args:
            claimed: the job when it was claimed.
            job: its present version.
            event: what happened.
            wait: seconds until the next look, which gives the job back; None keeps it.
            observed: whether the provider itself said so just now.

        Returns:
            The present version, or None where the job is no longer ours or no longer as it was; it is given
            back then, to be looked at anew.
        """
        transition = advance(job, event, now=claimed.now)
        if transition is None:
            if wait is not None:
                await self.release([Look(job.id, wait, 0, observed, not claimed.cancel_requested)])
            return job
        proposed = change(job, transition, now=claimed.now, wait=wait, observed=observed)
        saved = (await self.save([proposed])).get(job.id)
        if saved is None:
            await self.release([Look(job.id, 0, claimed.attempts, observed)])
        return saved

    async def settle(self, claimed: Claimed, job: Job, status: Status, error: JobError | None) -> None:
        """End a job with the results that are stored; its other items take the job's own outcome."""
        stored = await results.tally(self._engine, job.id)
        progress = settle(job.progress.total, stored, status)
        await self._at("before settle")
        ended = await self.record(claimed, job, Settled(status, progress, error))
        if ended:
            _log.info("job ended", job_id=job.id, status=status, code=error and error.code)

    async def remember_batch(self, job_id: str, batch_id: str) -> bool:
        """Note the provider's batch of a job; False where the lease is lost."""
        return await to_the_end(leases.remember_batch(self._engine, self._owner, job_id, batch_id))

    def lines(self, job_id: str) -> AsyncIterator[bytes]:
        """A job's requests, as lines of the batch input format."""
        return requests.lines(self._engine, job_id)

    async def store_results(self, job_id: str, chunk: Sequence[ItemResult]) -> results.Added:
        """Store at most 1,000 results; those that are stored already stay as they are."""
        added = await to_the_end(results.add(self._engine, job_id, chunk))
        metrics.RESULT_ROWS.inc(added.new)
        await self._at("results chunk stored")
        return added

    async def keep_strays(self, job_id: str, found: Sequence[tuple[int, Stray]]) -> None:
        """Keep some of what the provider told that fits no item, each with its place in all that it told."""
        await to_the_end(strays.keep(self._engine, job_id, found))

    async def next_due(self) -> float | None:
        """Seconds until some job is due, None where none ever is."""
        return await leases.next_due(self._engine)


async def nothing(_point: str) -> None:
    """Do nothing at any point: the service's own `Point`."""


def to_nobody(_jobs: Sequence[Job], _seen_at: float) -> None:
    """Tell nobody of what is renewed."""
