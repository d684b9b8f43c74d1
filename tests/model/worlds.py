"""The worlds that are explored, each small enough that all that can happen in it soon has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from model.following import CLIENT, Follower, Submitter
from model.many import BatchWaiter
from model.monitor import Course, Monitor
from model.node import MakeBeats, Node, honest_beats
from model.readers import Poller, Streamer, Waiter
from model.redis import Redis
from model.replica import EVERY, ModelReplica
from model.troubles import Allowed
from model.world import World
from model.writers import Canceller, Deleter
from polling_api.api.batch_shapes import ManyUntil
from polling_api.domain.job import Status
from polling_api.monitor.ledger import Ledger
from polling_api.watch import ClientFeeds, StatusWatch

JOB: Final = f"job_{1:032x}"
OTHER: Final = f"job_{2:032x}"
ONCE: Final[Course] = ((Status.SUCCEEDED, 4),)
TWICE: Final[Course] = ((Status.IN_PROGRESS, 1), (Status.SUCCEEDED, 4))
WITH_PROGRESS: Final[Course] = (
    (Status.IN_PROGRESS, 1),
    (Status.IN_PROGRESS, 2),
    (Status.FINALIZING, 4),
    (Status.SUCCEEDED, 4),
)


@dataclass(frozen=True, slots=True)
class Make:
    """Of what the processes of a world are made: the service's own parts, or a planted bug in the place of one."""

    watch: Callable[..., StatusWatch] = StatusWatch
    ledger: Callable[..., Ledger] = Ledger
    redis: Callable[..., Redis] = Redis
    beats: MakeBeats = honest_beats
    feeds: Callable[..., ClientFeeds] = ClientFeeds

    def world(self, allowed: Allowed) -> World:
        """A world with one job in it."""
        world = World(allowed, self.redis)
        world.postgres.create(JOB)
        return world

    def node(
        self,
        world: World,
        name: str,
        *,
        cached: bool = False,
        replica: ModelReplica | None = None,
        feeds: Callable[..., ClientFeeds] | None = None,
    ) -> Node:
        """A node."""
        return Node(world, name, self.watch, cached=cached, replica=replica, beats=self.beats, feeds=feeds)

    def monitor(
        self, world: World, course: Course, *, name: str = "M", after: Monitor | None = None, cached: bool = False
    ) -> Monitor:
        """A monitor."""
        return Monitor(world, name, course, self.ledger, after=after, cached=cached)


def waking(make: Make) -> World:
    """One who waits for one change: as small as a world can be."""
    world = make.world(Allowed(lost=1, broken_links=1, failed_calls=1))
    Waiter(world, [make.node(world, "A")], JOB, 2)
    make.monitor(world, ONCE)
    return world


def waiting(make: Make) -> World:
    """One who waits at one node, while messages and answers get lost."""
    world = make.world(Allowed(lost=1, doubled=1, broken_links=1, failed_calls=1))
    Waiter(world, [make.node(world, "A")], JOB, 3)
    make.monitor(world, TWICE)
    return world


def streaming(make: Make) -> World:
    """A slow reader of a stream, while messages overtake each other, and it goes away and comes back."""
    world = make.world(Allowed(lost=1, doubled=1, hang_ups=1))
    Streamer(world, [make.node(world, "A")], JOB, slow=True)
    make.monitor(world, WITH_PROGRESS)
    return world


def resuming(make: Make) -> World:
    """A stream that breaks, and is resumed at another node, which knows the job from the cache."""
    world = make.world(Allowed(lost=1, hang_ups=1, broken_links=1))
    Streamer(world, [make.node(world, name, cached=True) for name in "AB"], JOB)
    make.monitor(world, WITH_PROGRESS, cached=True)
    return world


def polling(make: Make) -> World:
    """One who polls two nodes by turns, which share a cache."""
    world = make.world(Allowed(lost=1, doubled=1, failed_calls=1))
    Poller(world, [make.node(world, name, cached=True) for name in "AB"], JOB, 4)
    make.monitor(world, TWICE, cached=True)
    return world


def crashing(make: Make) -> World:
    """A monitor that dies at some step, and another that takes its jobs over."""
    world = make.world(Allowed(crashes=1, failed_calls=1))
    Waiter(world, [make.node(world, "A")], JOB, 3)
    first = make.monitor(world, TWICE, name="M")
    make.monitor(world, TWICE, name="N", after=first)
    return world


def away(make: Make) -> World:
    """Postgres answers nobody for a while, and one polls and another waits."""
    world = make.world(Allowed(outages=1, lost=1))
    node = make.node(world, "A", cached=True)
    Poller(world, [node], JOB, 3)
    Waiter(world, [node], JOB, 2)
    make.monitor(world, TWICE, cached=True)
    return world


def failing_over(make: Make) -> World:
    """Postgres fails over to a copy that lacks what was committed last: the one time that a version may go back."""
    world = make.world(Allowed(failovers=1, lost=1))
    nodes = [make.node(world, name, cached=True) for name in "AB"]
    Poller(world, nodes, JOB, 4)
    Waiter(world, nodes[:1], JOB, 2)
    make.monitor(world, TWICE, cached=True)
    return world


def streaming_over(make: Make) -> World:
    """A stream goes on while Postgres fails over to a copy that lacks what was committed last."""
    world = make.world(Allowed(failovers=1, hang_ups=1))
    Streamer(world, [make.node(world, "A")], JOB)
    make.monitor(world, TWICE)
    return world


def replicated(make: Make) -> World:
    """One who polls two nodes by turns, which ask a replica that lags, and stops replaying."""
    world = make.world(Allowed(pauses=1, lost=1))
    replica = ModelReplica(world)
    Poller(world, [make.node(world, name, replica=replica) for name in "AB"], JOB, 6, pause=2.5)
    make.monitor(world, TWICE)
    world.settled_after = 2.5 * EVERY
    return world


def replicated_over(make: Make) -> World:
    """A failover that loses what was committed last, while another replica has it, or does not, and is asked."""
    world = make.world(Allowed(failovers=1, pauses=1, lost=1))
    replica = ModelReplica(world)
    nodes = [make.node(world, name, cached=True, replica=replica) for name in "AB"]
    Poller(world, nodes, JOB, 4, pause=1.5)
    Waiter(world, nodes[1:], JOB, 2)
    make.monitor(world, TWICE, cached=True)
    world.settled_after = 2.5 * EVERY
    return world


def batching(make: Make) -> World:
    """One who waits for two jobs in one call, at two nodes by turns, and another who waits for the end of both.

    A failover may lose what either has seen.
    """
    world = make.world(Allowed(lost=1, doubled=1, failed_calls=1, hang_ups=1, failovers=1))
    world.postgres.create(OTHER)
    nodes = [make.node(world, name) for name in "AB"]
    BatchWaiter(world, nodes, (JOB, OTHER), 4)
    BatchWaiter(world, nodes[:1], (JOB, OTHER), 2, ManyUntil.ALL_TERMINAL)
    make.monitor(world, TWICE)
    return world


def feeding(make: Make) -> World:
    """A slow reader of all of a client's jobs, who comes back elsewhere; one more is written, and committed later."""
    world = World(Allowed(lost=1, doubled=1, hang_ups=1, failed_calls=1, broken_links=1), make.redis)
    world.postgres.create(JOB, CLIENT)
    Follower(world, [make.node(world, name, feeds=make.feeds) for name in "AB"], (JOB, OTHER))
    Submitter(world, OTHER)
    make.monitor(world, WITH_PROGRESS)
    return world


def cancelling(make: Make) -> World:
    """A caller cancels the job at one node, while its monitor moves it, and one waits at another."""
    world = make.world(Allowed(lost=1, failed_calls=1))
    nodes = [make.node(world, name) for name in "AB"]
    Canceller(world, nodes[:1], JOB)
    Waiter(world, nodes[1:], JOB, 3)
    make.monitor(world, TWICE)
    return world


def deleting(make: Make) -> World:
    """A caller deletes the job at one node as soon as it has ended, and one polls both."""
    world = make.world(Allowed(lost=1, failed_calls=1))
    nodes = [make.node(world, name, cached=True) for name in "AB"]
    Poller(world, nodes, JOB, 6, insists=True)
    Deleter(world, nodes[:1], JOB)
    make.monitor(world, ONCE, cached=True)
    return world


def crowded(make: Make) -> World:
    """All of it at once: two nodes, all kinds of readers, two monitors, and everything that may go wrong."""
    world = make.world(Allowed(lost=2, doubled=2, crashes=1, broken_links=2, failed_calls=2, hang_ups=2, outages=1))
    nodes = [make.node(world, name, cached=True) for name in "AB"]
    Poller(world, nodes, JOB, 4)
    Waiter(world, nodes, JOB, 3)
    Streamer(world, nodes, JOB, slow=True)
    first = make.monitor(world, WITH_PROGRESS, name="M", cached=True)
    make.monitor(world, WITH_PROGRESS, name="N", after=first, cached=True)
    return world


SMALL: Final = (
    waking,
    waiting,
    streaming,
    resuming,
    polling,
    crashing,
    away,
    failing_over,
    streaming_over,
    replicated,
    replicated_over,
    batching,
    feeding,
    cancelling,
    deleting,
)
WORLDS: Final[Mapping[str, Callable[[Make], World]]] = {world.__name__: world for world in (*SMALL, crowded)}
