"""What keeps nonces for all nodes, twice: a Redis of the test's own, and its twin in the process."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from in_process.carriers import RedisCarrier
from polling_api.resilience.breaker import Breaker, Policy
from polling_api.signing.nonces import LocalNonceStore, NonceStore, RedisNonceStore, SeenNonces, SharedNonces

PATIENCE = 5.0  # seconds: where it is not the deadline that is tested, a busy machine must not matter
POLICY = Policy(window=10, fewest=3, failure_share=0.5, open_first=1, open_most=4)


@dataclass
class MovedClock:
    """A clock that goes on when it is told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Keeper(Protocol):
    """Keeps nonces, and can be made to fail."""

    def store(self) -> NonceStore:
        """A further node's connection."""
        ...

    async def go_down(self) -> None:
        """Be gone."""
        ...

    async def come_back(self) -> None:
        """Be there again, at the same address, knowing nothing."""
        ...

    async def forget(self) -> None:
        """Know nothing any more."""
        ...


class LocalKeeper:
    """The twin."""

    def __init__(self) -> None:
        self._store = LocalNonceStore()

    def store(self) -> NonceStore:
        return self._store

    async def go_down(self) -> None:
        self._store.go_down()

    async def come_back(self) -> None:
        self._store.forget()
        self._store.come_back()

    async def forget(self) -> None:
        self._store.forget()


class RedisKeeper:
    """A real server, which can be frozen too."""

    def __init__(self, folder: Path) -> None:
        self.carrier = RedisCarrier(folder)

    def store(self, *, timeout: float = PATIENCE) -> RedisNonceStore:
        return RedisNonceStore(self.carrier.server.url, timeout=timeout)

    async def go_down(self) -> None:
        await self.carrier.go_down()

    async def come_back(self) -> None:
        await self.carrier.come_back()

    async def forget(self) -> None:
        async with self.carrier.client() as redis:
            await redis.flushall()


@dataclass
class Node:
    """One node: its own memory and breaker over a store that it may share, and a clock that is moved by hand."""

    store: NonceStore
    clock: MovedClock = field(default_factory=MovedClock)

    def __post_init__(self) -> None:
        self.breaker = Breaker(POLICY, clock=self.clock, chance=lambda: 0.999)
        self.nonces = SharedNonces(self.store, SeenNonces(), self.breaker, clock=self.clock)
        self.burn = self.nonces.burn
