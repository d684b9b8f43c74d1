"""One process of the service, of its own parts: hub, watch, cache and ownership, over the model's wire."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from model.postgres import PostgresSource
from model.redis import ModelStatuses, ModelTransport
from model.replay import ModelReplays
from model.replica import ModelReplica, Replicated
from polling_api.api.ownership import Ownership
from polling_api.cache import CACHE_CIRCUIT, Keeping, RedisClock, StatusCache
from polling_api.domain.caller import Caller
from polling_api.domain.job import Job
from polling_api.hub import Hub, Notice
from polling_api.replicas import Beats
from polling_api.resilience.breaker import Breaker
from polling_api.watch import Absences, Bounds, ClientFeeds, StatusWatch, Topic

if TYPE_CHECKING:
    from model.world import World

ANYBODY: Final = Caller()
BOUNDS: Final = Bounds(idle=2.0)  # seconds: as any other figure, and a schedule's end comes sooner
CACHED_FOR: Final = 30.0  # seconds

MakeBeats = Callable[[Callable[[], float]], Beats]
"""Makes what a process knows of the primary's beats, with a clock, of monotonic seconds."""


def honest_beats(_clock: Callable[[], float]) -> Beats:
    """The service's own."""
    return Beats()


class Node:
    """A worker that runs.

    Args:
        world: in which.
        name: of the process.
        watch: makes its watch.
        cached: whether it asks Redis before it asks Postgres.
        replica: asked before the primary is; None for none.
        beats: makes what it knows of the primary's beats.
        feeds: makes the feeds of clients; None for none.
    """

    def __init__(
        self,
        world: "World",
        name: str,
        watch: Callable[..., StatusWatch],
        *,
        cached: bool,
        replica: ModelReplica | None = None,
        beats: MakeBeats = honest_beats,
        feeds: Callable[..., ClientFeeds] | None = None,
    ) -> None:
        self.process = world.process(name)
        self._rules = world.rules
        self._clock = world.loop.time
        keeping = Keeping(CACHED_FOR, RedisClock()) if cached else None
        self.process.context.run(self._build, world, watch, keeping, replica, beats, feeds)
        world.nodes.append(self)
        world.stoppable.append(self)

    def __str__(self) -> str:
        return self.process.name

    def _build(
        self,
        world: "World",
        watch: Callable[..., StatusWatch],
        keeping: Keeping | None,
        replica: ModelReplica | None,
        beats: MakeBeats,
        feeds: Callable[..., ClientFeeds] | None,
    ) -> None:
        clock = world.loop.time
        self.cache: StatusCache | None = None
        if keeping is not None:
            breaker = Breaker(CACHE_CIRCUIT, clock=clock, chance=lambda: 0.5)
            self.cache = StatusCache(ModelStatuses(world.wire, world.redis, keeping), breaker, clock=clock)
        self.hub = Hub(ModelTransport(world.wire, world.redis, world.bus, self.process, keeping), clock=clock)
        self.replicated = None if replica is None else Replicated(world, replica, beats(clock), self.cache)
        self.watch = watch(
            PostgresSource(world.wire, world.postgres),
            self.hub,
            BOUNDS,
            cache=self.cache,
            replicas=self.replicated and self.replicated.reads,
            clock=clock,
        )
        self.absences = Absences(clock, told_for=BOUNDS.idle)
        self.ownership = Ownership(self.watch, self.absences, clock)
        for listener in (self, self.watch, self.absences):
            self.hub.join(listener)
        world.bus.join(self.process, self.hub)
        running = [self.hub.run, self.watch.run]
        self.feeds: ClientFeeds | None = None
        if feeds is not None:
            self.feeds = feeds(ModelReplays(world.wire, world.postgres), self.hub, BOUNDS, clock=clock)
            self.hub.join(self.feeds)
            running.append(self.feeds.run)
        if self.cache is not None:
            running.append(self.cache.run)
        if self.replicated is not None:
            running += [self.replicated.pulse.run, self.replicated.replica.run]
        self._running = [self.process.start(run()) for run in running]

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        return self._clock()

    def knows(self, job_id: str) -> Job | None:
        """The version that it knows."""
        topic = self.topic(job_id)
        return topic.snapshot.job if topic is not None and topic.snapshot is not None else None

    def topic(self, job_id: str) -> Topic | None:
        """What it knows of a job, without asking for it."""
        return self.watch._topics.get(job_id)  # pyright: ignore[reportPrivateUsage]

    def notice(self, notice: Notice) -> None:
        """Have the rules know what it is told."""
        self._rules.heard(self, notice)

    def gap(self) -> None:
        """Nothing to be told to the rules, who see the connection itself."""

    def end(self) -> None:
        """Stop what runs until it is stopped."""
        for task in self._running:
            task.cancel()
