"""A streaming replica: it replays the primary's log, one entry at a step, and answers with what it has so far."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final

from polling_api.cache import StatusCache
from polling_api.domain.job import Job
from polling_api.replicas import REPLICA_CIRCUIT, Beats, Pulse, Replica, ReplicaReads
from polling_api.resilience.breaker import Breaker
from polling_api.store.availability import Away
from polling_api.store.beats import Beat
from polling_api.store.replica import Found, Held

if TYPE_CHECKING:
    from model.world import World

EVERY: Final = 1.0  # seconds between two beats, and between two looks
MOST_LAG: Final = 1.0  # seconds, as in production
DEADLINE: Final = 0.25  # seconds for a read
BEATS_KEPT: Final = 16


class ModelReplica:
    """The server. It lags as far as it is let.

    Attributes:
        paused: whether it replays nothing.
    """

    away = False

    def __init__(self, world: "World") -> None:
        self.rank = 0
        self.paused = False
        self._wire = world.wire
        self._log: Sequence[Job | str] = world.postgres.log
        self._replayed = 0
        world.replicas.append(self)

    def __str__(self) -> str:
        return "replica"

    def error(self, reason: str) -> Exception:
        """See `model.wire.Server`."""
        return Away(reason)

    @property
    def behind(self) -> bool:
        """Whether there is something to replay."""
        return not self.paused and self._replayed < len(self._log)

    @property
    def next(self) -> Callable[[], object]:
        """See `Pending`."""
        return self.replay

    def replay(self) -> None:
        """Have one more entry."""
        self._replayed += 1

    def follow(self, log: Sequence[Job | str], common: int) -> None:
        """Follow another primary, from what both logs have in common on.

        Raises:
            ValueError: it has more than that, which no replica can give back.
        """
        if self._replayed > common:
            raise ValueError("it is ahead of whom it is to follow")
        self._log = log

    def begin_anew(self, log: Sequence[Job | str]) -> None:
        """Be made from a backup of another primary, and follow that."""
        self._log, self._replayed = log, len(log)

    async def look(self) -> Held:
        """See `replicas.Server`."""
        return await self._wire.call(self, "look at the replica", self._held)

    async def read(self, ids: Collection[str]) -> Found:
        """See `replicas.Server`."""
        asked = tuple(ids)
        return await self._wire.call(self, "read of the replica", lambda: self._found(asked))

    async def close(self) -> None:
        """Nothing is held open."""

    def _held(self) -> Held:
        beats = [entry for entry in self._log[: self._replayed] if isinstance(entry, str)]
        return Held(replays=True, beats=beats[: -BEATS_KEPT - 1 : -1])

    def _found(self, ids: Collection[str]) -> Found:
        versions = (entry for entry in self._log[: self._replayed] if isinstance(entry, Job))
        found = {job.id: job for job in versions if job.id in ids}
        return Found(found, self._held() if found else None)


class Replicated:
    """What one process knows of a replica.

    Args:
        world: in which.
        server: the replica.
        beats: of the primary, as the process knows them.
        cache: told what is read.
    """

    def __init__(self, world: "World", server: ModelReplica, beats: Beats, cache: StatusCache | None) -> None:
        clock = world.loop.time
        self.replica = Replica(
            "replica",
            server,
            beats,
            Breaker(REPLICA_CIRCUIT, failures=(Away,), clock=clock, chance=lambda: 0.5),
            every=EVERY,
            most_lag=MOST_LAG,
            deadline=DEADLINE,
            clock=clock,
        )
        offer: Callable[[Collection[Job], float], None] = _to_nobody if cache is None else cache.offer
        self.reads = ReplicaReads([self.replica], offer, deadline=DEADLINE)

        async def beat() -> Beat | None:
            return await world.wire.call(world.postgres, "beat", world.postgres.beat, writes=True)

        self.pulse = Pulse(beat, beats, every=EVERY, clock=clock)


def _to_nobody(_jobs: Collection[Job], _at: float) -> None:
    """There is no cache."""
