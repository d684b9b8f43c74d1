"""Monitors: the real ledger, which commits and then publishes, over the model's Postgres."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Self, cast

from model.node import CACHED_FOR
from model.postgres import CREATED, ITEMS, Postgres
from model.redis import ModelStatuses, ModelTransport
from model.wire import Wire
from polling_api.cache import CACHE_CIRCUIT, Keeping, RedisClock, StatusCache
from polling_api.domain.advance import Transition
from polling_api.domain.job import Job, Progress, Status
from polling_api.errors import Unavailable
from polling_api.hub import Hub
from polling_api.monitor.decision import change
from polling_api.monitor.ledger import Ledger, Renew, nothing, to_nobody
from polling_api.resilience.breaker import Breaker
from polling_api.store import leases
from polling_api.store.changes import SAVE, Change

if TYPE_CHECKING:
    from model.world import World
    from polling_api.store.engine import Engine

LEASE: Final = 30.0  # seconds
Course = Sequence[tuple[Status, int]]
"""What becomes of a job, version by version: its status, and how many items are done."""


class ModelEngine:
    """As much of an engine as the ledger's statements need: each is one call of the model's Postgres."""

    def __init__(self, wire: Wire, postgres: Postgres) -> None:
        self._wire = wire
        self._postgres = postgres

    def execution_options(self, **_: object) -> Self:
        """Every statement is a transaction anyway."""
        return self

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Self]:
        """Lend itself."""
        yield self

    async def execute(self, statement: object, parameters: Mapping[str, Any]) -> Iterable[SimpleNamespace]:
        """Have one of the two statements of a sweep carried out."""
        owner = parameters["owner"]
        if statement is SAVE:
            return await self._wire.call(self._postgres, "save", lambda: self._save(owner, parameters), writes=True)
        assert statement is leases._CLAIM  # pyright: ignore[reportPrivateUsage]
        return await self._wire.call(self._postgres, "claim", lambda: self._claim(owner), writes=True)

    def _save(self, owner: str, parameters: Mapping[str, Any]) -> list[SimpleNamespace]:
        columns = ("job_id", "from_version", "status", "completed")
        rows = zip(*(parameters[f"change_{column}"] for column in columns), strict=True)
        changes = [
            Change(
                job_id=job_id,
                from_version=from_version,
                transition=Transition(Status(status), Progress(ITEMS, completed)),
                poll_after=1,
                observed=True,
            )
            for job_id, from_version, status, completed in rows
        ]
        return [_row(job) for job in self._postgres.save(owner, changes)]

    def _claim(self, owner: str) -> list[SimpleNamespace]:
        beside = {
            "upstream_id": None,
            "attempts": 0,
            "cancel_requested": False,
            "until_deadline": None,
            "now": CREATED,
        }
        return [_row(job, taken_over=taken_over, **beside) for job, taken_over in self._postgres.claim(owner)]


class Monitor:
    """A monitor, and the provider from whom it hears what becomes of a job.

    Args:
        world: in which.
        name: of the process.
        course: what becomes of every job.
        ledger: makes its ledger.
        after: the monitor whose leases it waits for; None where it holds them from the start.
        cached: whether it keeps in Redis what it publishes.
    """

    def __init__(
        self,
        world: "World",
        name: str,
        course: Course,
        ledger: Callable[..., Ledger],
        *,
        after: "Monitor | None",
        cached: bool,
    ) -> None:
        self.process = world.process(name)
        self.acts = 0
        self.rank = 0
        self._world = world
        self._course = course
        self._after = after
        self._heard: asyncio.Event
        self._working: asyncio.Task[None] | None = None
        self._resting = False
        keeping = Keeping(CACHED_FOR, RedisClock()) if cached else None
        self.process.context.run(self._build, world, ledger, keeping)
        world.parties.append(self)
        world.doomed.append(self.process)
        world.stoppable.append(self)

    def __str__(self) -> str:
        return f"provider of {self.process}"

    @property
    def done(self) -> bool:
        """See `Party`."""
        if not self.process.alive or (self._after is not None and self._after.process.alive):
            return True
        return self._resting and self._world.postgres.finished

    @property
    def willing(self) -> bool:
        """See `Party`."""
        return not self.done and not self._heard.is_set()

    @property
    def next(self) -> Callable[[], object]:
        """See `Party`."""
        return self.act

    def act(self) -> None:
        """Tell the monitor that something has become of the jobs; at first, that it may begin."""
        self.acts += 1
        if self._working is None:
            self._working = self.process.start(self._work())
        else:
            self.process.context.run(self._heard.set)

    def hang_up(self) -> None:
        """It is no client."""

    def end(self) -> None:
        """Stop what runs until it is stopped."""
        if self._working is not None:
            self._working.cancel()
        for task in self._running:
            task.cancel()

    def _build(self, world: "World", ledger: Callable[..., Ledger], keeping: Keeping | None) -> None:
        clock = world.loop.time
        renew: Renew = to_nobody
        self.hub = Hub(ModelTransport(world.wire, world.redis, world.bus, self.process, keeping), clock=clock)
        running = [self.hub.run]
        if keeping is not None:
            breaker = Breaker(CACHE_CIRCUIT, clock=clock, chance=lambda: 0.5)
            cache = StatusCache(ModelStatuses(world.wire, world.redis, keeping), breaker, clock=clock)
            renew = cache.offer
            running.append(cache.run)
        engine = cast("Engine", ModelEngine(world.wire, world.postgres))
        self._heard = asyncio.Event()
        self._ledger = ledger(
            engine,
            self.hub.publish,
            renew,
            nothing,
            owner=self.process.name,
            lease=LEASE,
            results_keep=0,
            given_back=_looks_by_its_own_course,
            clock=clock,
        )
        self._running = [self.process.start(run()) for run in running]

    async def _work(self) -> None:
        while True:
            try:
                tenures = await self._ledger.claim(1000)
                if not tenures:
                    await self._rest()
                    continue
                await self._ledger.republish(tenures)
                await self._move([tenure.claimed.job for tenure in tenures])
            except Unavailable:
                await asyncio.sleep(0.5)

    async def _rest(self) -> None:
        self._resting = True
        await self._heard.wait()
        self._heard.clear()
        self._resting = False

    async def _move(self, jobs: Sequence[Job]) -> None:
        present = {job.id: job for job in jobs}
        while moving := [job for job in present.values() if not job.terminal]:
            await self._heard.wait()
            self._heard.clear()
            changes = [change(job, self._next(job), now=job.updated_at, wait=None, observed=True) for job in moving]
            saved = await self._ledger.save(changes)
            if len(saved) < len(moving):  # somebody else has them, or they are not as they were
                return
            present.update(saved)

    def _next(self, job: Job) -> Transition:
        status, completed = self._course[min(job.version, len(self._course)) - 1]
        return Transition(status, Progress(ITEMS, completed))


def _row(job: Job, **beside: Any) -> SimpleNamespace:
    columns = {name: getattr(job, name) for name in job.__slots__ if name not in {"progress", "error"}}
    done = {name: getattr(job.progress, name) for name in Progress.__slots__}
    return SimpleNamespace(**columns, **done, error_code=None, error_message=None, **beside)


def _looks_by_its_own_course(_seconds: float) -> None:
    """Wake nobody: a monitor of the model looks when its course says so."""
