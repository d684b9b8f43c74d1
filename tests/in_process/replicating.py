"""What a process knows of a primary's replicas, looked at when a test says so."""

import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job
from polling_api.replicas import REPLICA_CIRCUIT, Beats, Pulse, Replica, ReplicaReads
from polling_api.resilience.breaker import Breaker
from polling_api.store import beats
from polling_api.store.availability import Away
from polling_api.store.engine import connect
from polling_api.store.line import Line
from polling_api.store.replica import ReplicaServer

PATIENT = 10.0  # seconds: a machine that is busy with other tests is not a replica that is away
MOST_LAG = 1.0  # seconds, as in production


def nobody_told(_jobs: Collection[Job], _at: float) -> None:
    """There is no status cache."""


class Addressed(Protocol):
    """A server, as far as it is asked."""

    @property
    def url(self) -> str:
        """Its address."""
        ...

    @property
    def where(self) -> Path:
        """Where its data are."""
        ...


@asynccontextmanager
async def pool(url: str, *, patience: float = PATIENT) -> AsyncGenerator[AsyncEngine]:
    """Connections to a server, for as long as the block runs."""
    engine = connect(
        url, pool_size=4, max_overflow=4, pool_timeout=5, statement_timeout=patience, application_name="tests"
    )
    yield engine
    await engine.dispose()


@dataclass(slots=True)
class Watching:
    """One process's part of it: nothing runs by itself."""

    beats: Beats
    pulse: Pulse
    replicas: Sequence[Replica] = field(default_factory=list[Replica])

    @property
    def replica(self) -> Replica:
        """The first of them."""
        return self.replicas[0]

    @property
    def reads(self) -> ReplicaReads:
        """What asks them."""
        return ReplicaReads(self.replicas, nobody_told, deadline=PATIENT)

    async def look(self) -> None:
        """Learn a new beat of the primary, and see how each replica is."""
        await self.pulse.take()
        for replica in self.replicas:
            await replica.look()


@asynccontextmanager
async def watching(
    primary: Addressed,
    replicas: Sequence[Addressed],
    *,
    patience: float = PATIENT,
    clock: Callable[[], float] = time.monotonic,
    known: Beats | None = None,
) -> AsyncGenerator[Watching]:
    """What one process knows of some replicas, for as long as the block runs.

    Args:
        primary: on which beats are made, one each time that one is learnt.
        replicas: what is looked at, and asked.
        patience: seconds for which each of them is waited for.
        clock: monotonic seconds.
        known: beats that the process knows already.
    """
    async with AsyncExitStack() as stack:
        known = known or Beats()
        engine = await stack.enter_async_context(pool(primary.url))
        watched = Watching(known, Pulse(partial(beats.beat, engine, spacing=0), known, every=1, clock=clock))
        watched.replicas = [await _replica(stack, server, known, patience, clock) for server in replicas]
        yield watched


async def _replica(
    stack: AsyncExitStack, server: Addressed, known: Beats, patience: float, clock: Callable[[], float]
) -> Replica:
    engine = await stack.enter_async_context(pool(server.url, patience=patience))
    replica = Replica(
        server.where.parent.name,
        ReplicaServer(engine, Line(server.url, within=patience, application_name="tests watch")),
        known,
        Breaker(REPLICA_CIRCUIT, failures=(Away,)),
        every=1,
        most_lag=MOST_LAG,
        deadline=patience,
        clock=clock,
    )
    stack.push_async_callback(replica.close)
    return replica
