"""The pools of one process: for each kind of work its own connections, behind its own circuit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from polling_api.app.circuits import KIND_CIRCUIT, POSTGRES, Circuits, heartbeat_circuit
from polling_api.app.connections import database_url
from polling_api.resilience.breaker import Breaker
from polling_api.resilience.vigil import Vigil
from polling_api.settings import Settings
from polling_api.store.availability import Away
from polling_api.store.engine import Engine, connect
from polling_api.store.guard import Guard
from polling_api.store.heartbeat import Heartbeat
from polling_api.store.shares import Kind, Node, Share, Shares, divide


@dataclass(frozen=True, slots=True)
class Pools:
    """Connections to the primary by kind of work, and the heartbeat by which their circuits open."""

    by_kind: Mapping[Kind, Engine]
    heartbeat: Heartbeat
    circuit: Breaker
    beat_every: float

    def __getitem__(self, kind: Kind) -> Engine:
        return self.by_kind[kind]

    def vigil(self, *, gone: Callable[[], None], back: Callable[[], None]) -> Vigil:
        """What keeps watch over the primary.

        Args:
            gone: called when it is found not to answer.
            back: called when it answers again.
        """
        return Vigil(POSTGRES, self.heartbeat.beat, Away, self.circuit, every=self.beat_every, gone=gone, back=back)

    async def close(self) -> None:
        """Give all connections back."""
        self.heartbeat.close()
        for engine in self.by_kind.values():
            await engine.dispose()


def worker_pools(settings: Settings, circuits: Circuits) -> Pools:
    """The pools of a process that serves HTTP; nothing is opened yet.

    Raises:
        ValueError: the address is missing, or the connections do not go round (`TooFew`).
    """
    return _pools(settings, circuits, "polling-api", worker_shares(settings), settings.statement_timeout)


def worker_shares(settings: Settings) -> Shares:
    """What a process that serves HTTP may open for each kind of work.

    Raises:
        ValueError: the connections do not go round (`TooFew`).
    """
    return _node(settings).worker


def monitor_pools(settings: Settings, circuits: Circuits) -> Pools:
    """The pools of a monitor; as `worker_pools` otherwise."""
    shares = _node(settings).monitor
    return _pools(settings, circuits, "polling-api monitor", shares, settings.monitor_statement_timeout)


def _node(settings: Settings) -> Node:
    return divide(settings.pool_size, settings.pool_overflow, workers=settings.workers)


def _pools(settings: Settings, circuits: Circuits, name: str, shares: Shares, statement_timeout: float) -> Pools:
    url = database_url(settings)
    circuit = circuits.of_database(POSTGRES, heartbeat_circuit(settings.heartbeat_timeout))

    def pool(kind: Kind, share: Share) -> Engine:
        return connect(
            url,
            pool_size=share.held,
            max_overflow=share.beyond,
            pool_timeout=settings.pool_timeout,
            connect_timeout=settings.connect_timeout,
            statement_timeout=statement_timeout,
            lock_timeout=settings.lock_timeout,
            transaction_idle=settings.transaction_idle,
            connection_idle=settings.connection_idle,
            application_name=f"{name} {kind}",
            guard=Guard(circuit, circuits.of_database(f"{POSTGRES} {kind}", KIND_CIRCUIT)),
            pooled=settings.database_pooled,
        )

    by_kind = {kind: pool(kind, share) for kind, share in shares.items()}
    beating = Heartbeat(url, within=settings.heartbeat_timeout, application_name=f"{name} heartbeat")
    return Pools(by_kind, beating, circuit, settings.heartbeat_every)
