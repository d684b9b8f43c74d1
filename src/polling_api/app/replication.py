"""The replicas of one process: each with connections, a watch and a circuit of its own."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from polling_api.app.circuits import Circuits
from polling_api.app.pools import worker_shares
from polling_api.app.running import Part
from polling_api.cache import StatusCache
from polling_api.replicas import REPLICA_CIRCUIT, Beats, Pulse, Replica, ReplicaReads
from polling_api.settings import Settings
from polling_api.store import beats
from polling_api.store.engine import Engine, connect
from polling_api.store.line import Line
from polling_api.store.replica import ReplicaServer
from polling_api.store.shares import Share, at_each_replica

SPACING = 0.8  # of the time between two of a process's own beats: alone it makes one each time it asks


@dataclass(frozen=True, slots=True)
class Replication:
    """All replicas; none, where none are set."""

    replicas: Sequence[Replica]
    reads: ReplicaReads
    pulse: Pulse

    @property
    def running(self) -> list[Part]:
        """The parts that run beside the requests. Nobody makes beats for nothing."""
        return [self.pulse.run, *(replica.run for replica in self.replicas)] if self.replicas else []

    @property
    def checks(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """For `/health/ready`."""
        return {replica.name: replica.check for replica in self.replicas}

    async def close(self) -> None:
        """Give all connections back."""
        for replica in self.replicas:
            await replica.close()


def replication(settings: Settings, circuits: Circuits, primary: Engine, cache: StatusCache) -> Replication:
    """Make what asks the replicas; nothing is opened yet.

    Args:
        settings: with `replica_urls`.
        circuits: where their breakers are made.
        primary: on which beats are made.
        cache: told what is read.

    Raises:
        ValueError: the connections do not go round (`TooFew`).
    """
    known, share = Beats(), at_each_replica(worker_shares(settings))
    every = settings.heartbeat_every

    def made(number: int, url: str) -> Replica:
        name = f"replica {number}"
        return Replica(
            name,
            _server(url, name, share, settings),
            known,
            circuits.of_database(name, REPLICA_CIRCUIT),
            every=every,
            most_lag=settings.replica_lag,
            deadline=settings.replica_timeout,
        )

    replicas = [made(number, url.get_secret_value()) for number, url in enumerate(settings.replica_urls, start=1)]
    return Replication(
        replicas,
        ReplicaReads(replicas, partial(cache.offer, whole=True), deadline=settings.replica_timeout),
        Pulse(partial(beats.beat, primary, spacing=SPACING * every), known, every=every),
    )


def _server(url: str, name: str, share: Share, settings: Settings) -> ReplicaServer:
    engine = connect(
        url,
        pool_size=share.held,
        max_overflow=share.beyond,
        pool_timeout=settings.replica_timeout,
        connect_timeout=settings.connect_timeout,
        # Who asked is gone by then; a second later the driver gives up as well, and the connection is free.
        statement_timeout=settings.replica_timeout,
        connection_idle=settings.connection_idle,
        application_name=f"polling-api {name}",
        pooled=settings.database_pooled,
    )
    line = Line(
        url,
        within=settings.heartbeat_timeout,
        application_name=f"polling-api {name} watch",
        pooled=settings.database_pooled,
    )
    return ReplicaServer(engine, line)
