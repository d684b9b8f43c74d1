"""Connections that are kept for a while, since the next request to the same place often follows soon.

They are told apart by address, port, and the name that TLS was verified for, all together: a kept one is so used again
only by a request whose name led to that very address a moment ago, and never for another name at the same address.
"""

import asyncio
from collections import defaultdict
from typing import NamedTuple

from polling_api.webhooks.outbound.connection import Connection

KEEP_IDLE = 15.0  # seconds; receivers close idle connections after some more
MOST_KEPT = 128  # idle at once; as many as are under way in a usual dispatcher


class Place(NamedTuple):
    """What a connection leads to, and in whose name."""

    address: str
    port: int
    tls: bool
    name: str


class KeptConnections:
    """Idle connections.

    Args:
        most: kept at once; one more is ended instead.
        idle: seconds for which one is kept.
    """

    def __init__(self, most: int = MOST_KEPT, idle: float = KEEP_IDLE) -> None:
        self._most = most
        self._idle = idle
        self._kept: defaultdict[Place, dict[Connection, asyncio.TimerHandle]] = defaultdict(dict)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def take(self, place: Place) -> Connection | None:
        """The one that was used last, which is the least likely to have been closed; None if there is none."""
        while kept := self._kept.get(place):
            connection = next(reversed(kept))
            self._let_go(place, connection)
            if connection.usable:
                return connection
        return None

    def keep(self, place: Place, connection: Connection) -> None:
        """Keep a connection for the next one who needs it."""
        if not connection.usable:
            return
        if self._count >= self._most:
            connection.end()
            return
        ending = asyncio.get_running_loop().call_later(self._idle, self._end, place, connection)
        self._kept[place][connection] = ending
        self._count += 1

    def end(self) -> None:
        """End all of them."""
        for place, kept in list(self._kept.items()):
            for connection in list(kept):
                self._end(place, connection)

    def _end(self, place: Place, connection: Connection) -> None:
        self._let_go(place, connection)
        connection.end()

    def _let_go(self, place: Place, connection: Connection) -> None:
        self._kept[place].pop(connection).cancel()
        if not self._kept[place]:
            del self._kept[place]
        self._count -= 1
