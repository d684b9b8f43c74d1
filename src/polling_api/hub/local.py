"""The in-process twin of the Redis transport: the same promises, no server, and faults on demand."""

import asyncio
from collections.abc import Sequence

from polling_api.hub.notice import Notice
from polling_api.hub.transport import Listener, tell


class LocalBus:
    """What several transports in one process share, as several processes share a Redis.

    Between `go_down` and `come_back` it loses what is published, and publishers fail, as with a Redis that restarts.
    """

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self.down = False

    def carry(self, message: bytes) -> None:
        """Give every listener a message from the wire."""
        for listener in tuple(self.listeners):
            tell(listener, message)

    def go_down(self) -> None:
        """Lose every message from now on."""
        self.down = True

    def come_back(self) -> None:
        """Carry messages again, and tell every listener of the gap."""
        self.down = False
        for listener in tuple(self.listeners):
            listener.gap()


class LocalTransport:
    """One process's connection to a `LocalBus`."""

    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus
        self._joined = False

    @property
    def listening(self) -> bool:
        """Whether messages are being heard now."""
        return self._joined and not self._bus.down

    async def publish(self, notices: Sequence[Notice]) -> None:
        """Send notices in the wire's format, so that every listener gets a copy, as over Redis."""
        if self._bus.down:
            raise ConnectionError("the bus is down")
        for notice in notices:
            self._bus.carry(notice.encode())

    async def listen(self, listener: Listener) -> None:
        """Join the bus until cancelled."""
        self._bus.listeners.add(listener)
        self._joined = True
        if not self._bus.down:
            listener.gap()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._joined = False
            self._bus.listeners.discard(listener)

    async def close(self) -> None:
        """Nothing is held open."""
