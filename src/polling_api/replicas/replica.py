"""One replica: looked at again and again, taken out of the rotation and put back by itself."""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, Protocol, TypeVar

import structlog

from polling_api import metrics
from polling_api.cache import Sighting
from polling_api.errors import Unavailable
from polling_api.replicas.beats import Beats
from polling_api.replicas.standing import Standing, judge
from polling_api.resilience.breaker import Breaker, Policy, State
from polling_api.store.availability import Away
from polling_api.store.replica import Found, Held, Unfit

# For a replica that answers when it is looked at, and does not do what it is asked: whoever asks it waits in vain, and
# then for the primary.
REPLICA_CIRCUIT = Policy(window=5, fewest=5, failure_share=0.5, open_first=0.5, open_most=5)

_log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")


class Server(Protocol):
    """A replica as it is asked; see `store.replica.ReplicaServer`."""

    async def look(self) -> Held:
        """See how it is."""
        ...

    async def read(self, ids: Collection[str]) -> Found:
        """Read the version that it has of many jobs."""
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...


class Replica:
    """Knows whether a replica may be asked, and how old what it tells may be.

    Args:
        name: for people; no address, which may hold a password.
        server: the replica.
        beats: the primary's.
        circuit: by `REPLICA_CIRCUIT`; `Away` is a failure.
        every: seconds between the starts of two looks.
        most_lag: seconds for which it may lack something.
        deadline: seconds for a read.
        clock: monotonic seconds.

    Attributes:
        under_way: reads that it is asked now.
    """

    def __init__(
        self,
        name: str,
        server: Server,
        beats: Beats,
        circuit: Breaker,
        *,
        every: float,
        most_lag: float,
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.under_way = 0
        self._server = server
        self._beats = beats
        self._circuit = circuit
        self._every = every
        self._most_lag = most_lag
        self._deadline = deadline
        self._clock = clock
        self._reading: set[asyncio.Task[Any]] = set()
        self._lag = 0.0
        self._told = self._standing = Standing.UNSEEN
        metrics.REPLICA_IN_ROTATION.labels(name).set(0)

    @property
    def standing(self) -> Standing:
        """How it is, as far as is known."""
        return self._standing

    @property
    def in_rotation(self) -> bool:
        """Whether it may be asked."""
        return self._standing is Standing.IN_ROTATION and self._circuit.state is not State.OPEN

    async def check(self) -> None:
        """Say what is wrong with it.

        Raises:
            ConnectionError: it is not asked, and why.
        """
        if self._standing is Standing.LAGGING:
            raise ConnectionError(f"{self._standing} by {self._lag:.1f} s; the primary is asked in its place")
        if self._standing is not Standing.IN_ROTATION:
            raise ConnectionError(f"{self._standing}; the primary is asked in its place")

    async def read(self, ids: Collection[str]) -> Mapping[str, Sighting]:
        """Read the version that it has of many jobs, each with the moment up to which it has all of the primary.

        Raises:
            CircuitOpen: it is left alone.
            Unavailable: it did not answer in time, or not as a replica does.
        """
        self.under_way += 1
        try:
            with self._circuit.attempt():
                found = await self._within(self._server.read(ids))
        except Away:
            self._stand(Standing.AWAY)  # until the next look
            raise
        finally:
            self.under_way -= 1
        if found.held is None:
            return {}
        if not found.held.replays:
            self._stand(Standing.PROMOTED)
            raise Unavailable("It is no replica.", retry_after=1)
        metrics.REPLICA_ROWS.labels(self.name).inc(len(found.jobs))
        at = self._beats.extent(found.held.beats).at
        return {job_id: Sighting(job, at) for job_id, job in found.jobs.items()}

    async def run(self) -> None:
        """Look at it again and again, until cancelled."""
        while True:
            began = self._clock()
            await self.look()
            await asyncio.sleep(began + self._every - self._clock())

    async def look(self) -> None:
        """See how it is, and take it out or put it back."""
        reason = ""
        try:
            held = await self._server.look()
        except Unavailable as error:
            self._stand(Standing.UNFIT if isinstance(error, Unfit) else Standing.AWAY)
            reason = str(error.detail if isinstance(error, Unfit) else error.__cause__ or error)
        else:
            now, extent = self._clock(), self._beats.extent(held.beats)
            self._lag = extent.lag(now)
            metrics.REPLICA_LAG.labels(self.name).set(self._lag)
            self._stand(judge(held, extent, self._standing, now=now, most_lag=self._most_lag))
        self._tell(reason)

    async def close(self) -> None:
        """Give its connections back."""
        for reading in self._reading:
            reading.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        await self._server.close()

    def _stand(self, standing: Standing) -> None:
        self._standing = standing
        metrics.REPLICA_IN_ROTATION.labels(self.name).set(standing is Standing.IN_ROTATION)

    def _tell(self, reason: str) -> None:
        """Log a change, as looks see it: reads may find it away many times before it is looked at."""
        if self._standing is not self._told:
            self._told = self._standing
            log = _log.info if self._standing is Standing.IN_ROTATION else _log.warning
            log("replica", name=self.name, standing=str(self._standing), lag=round(self._lag, 3), reason=reason)

    async def _within(self, asked: Coroutine[Any, Any, Answer]) -> Answer:
        """Wait no longer than the deadline, but let the read go on to its own end.

        The driver, told to give a statement up, would first talk to the server that does not answer.
        """
        reading = asyncio.create_task(asked)
        self._reading.add(reading)
        reading.add_done_callback(self._ended)
        await asyncio.wait({reading}, timeout=self._deadline)
        if not reading.done():
            raise Away("The replica does not answer in time.", retry_after=1)
        return reading.result()

    def _ended(self, reading: asyncio.Task[Any]) -> None:
        self._reading.discard(reading)
        if not reading.cancelled():
            reading.exception()  # nobody may wait for it any more
