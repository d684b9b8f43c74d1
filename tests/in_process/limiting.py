"""Processes that limit side by side, in one process, with the clock and the rounds made by hand."""

from collections.abc import Generator
from contextlib import contextmanager

from in_process.clocks import Clock
from polling_api.ratelimit import (
    Blocks,
    Counters,
    Exchange,
    Figures,
    Held,
    LocalExchange,
    Party,
    Reconciler,
    SharedMemory,
    Suspects,
    Windows,
)
from polling_api.ratelimit.exchange import Offer, Reply


class Unreliable:
    """An exchange whose answers can be lost, though what was said came through."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.losing = False

    async def swap(self, offer: Offer) -> Reply:
        reply = await self._exchange.swap(offer)
        if self.losing:
            raise ConnectionError("the answer was lost")
        return reply

    async def close(self) -> None:
        await self._exchange.close()


class Node:
    """What one process has."""

    def __init__(self, exchange: Exchange, name: str, now: float, most: int = 50_000) -> None:
        self.name = name
        self.clock = Clock(now)
        self.counters = Counters(most)
        self.windows = Windows(self.counters, Figures())
        self.blocks = Blocks()
        self.suspects = Suspects(name, self.blocks)
        self.held = Held(20_000, self.clock)
        self._exchange = Unreliable(exchange)
        self.reconciler = Reconciler(self._exchange, [self.suspects, self.held, self.counters], self.blocks, self.clock)

    def at(self, now: float) -> "Node":
        """The same, at another time."""
        self.clock.now = now
        return self

    async def round(self) -> None:
        await self.reconciler.round()

    def ask(self, party: Party, times: int) -> int:
        """How many of so many calls without a job go through."""
        return sum(self.windows.decide(party, self.clock.now).allowed for _ in range(times))

    def poll(self, party: Party, times: int, job: str) -> int:
        """How many of so many polls of a job go through."""
        return sum(self.windows.decide(party, self.clock.now, job=job).allowed for _ in range(times))

    @contextmanager
    def losing_answers(self) -> Generator[None]:
        self._exchange.losing = True
        try:
            yield
        finally:
            self._exchange.losing = False


def nodes_on(memory: SharedMemory, number: int, now: float, *, most: int = 50_000, name: str = "node") -> list[Node]:
    """So many processes that share `memory`."""
    return [Node(LocalExchange(memory, f"{name}{each}"), f"{name}{each}", now, most) for each in range(number)]


async def heard_by(nodes: list[Node]) -> None:
    """All say all they have, twice, so that each has heard everybody."""
    for _ in range(2):
        for node in nodes:
            node.counters.repeat()
        for node in nodes * 2:
            await node.round()
