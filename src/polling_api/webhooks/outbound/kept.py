"""Connections that are kept for a while, since the next request to the same place often follows soon.

They are told apart by address, port, and the name that TLS was verified for, all together: a kept one is so used again
only by a request whose name led to that very address a moment ago, and never for another name at the same address.
"""

from time import monotonic
from typing import NamedTuple

import httpcore

KEEP_IDLE = 15.0  # seconds; receivers close idle connections after some more
MOST_KEPT = 128  # idle at once; as many as are under way in a usual dispatcher


class Place(NamedTuple):
    """What a connection leads to, and in whose name."""

    address: str
    port: int
    tls: bool
    name: str

    @property
    def scheme(self) -> bytes:
        """Of its urls."""
        return b"https" if self.tls else b"http"

    @property
    def origin(self) -> httpcore.Origin:
        """As a connection is asked for it: of the address, since no name is resolved for it any more."""
        return httpcore.Origin(self.scheme, self.address.encode(), self.port)


class _Kept(NamedTuple):
    place: Place
    until: float  # monotonic seconds


class KeptConnections:
    """Idle connections. One whose time is over is ended when the next one comes or goes.

    Args:
        most: kept at once; the oldest makes room for one more.
        idle: seconds for which one is kept.
    """

    def __init__(self, most: int = MOST_KEPT, idle: float = KEEP_IDLE) -> None:
        self._most = most
        self._idle = idle
        self._kept: dict[httpcore.AsyncHTTP11Connection, _Kept] = {}  # the oldest first

    def __len__(self) -> int:
        return len(self._kept)

    async def take(self, place: Place) -> httpcore.AsyncHTTP11Connection | None:
        """The one that was used last, which is the least likely to have been closed; None if there is none."""
        await self._end_overdue()
        while connection := self._last(place):
            del self._kept[connection]
            if not connection.has_expired():  # else it was closed there, or says something that nobody asked for
                return connection
            await connection.aclose()
        return None

    async def keep(self, place: Place, connection: httpcore.AsyncHTTP11Connection) -> None:
        """Keep a connection for the next one who needs it, if it can be used again."""
        await self._end_overdue()
        if not connection.is_idle():
            await connection.aclose()
            return
        self._kept[connection] = _Kept(place, monotonic() + self._idle)
        if len(self._kept) > self._most:
            await self._end_first()

    async def end(self) -> None:
        """End all of them."""
        while self._kept:
            await self._end_first()

    def _last(self, place: Place) -> httpcore.AsyncHTTP11Connection | None:
        return next((one for one, kept in reversed(self._kept.items()) if kept.place == place), None)

    async def _end_overdue(self) -> None:
        while self._kept and next(iter(self._kept.values())).until < monotonic():
            await self._end_first()

    async def _end_first(self) -> None:
        connection = next(iter(self._kept))
        del self._kept[connection]
        await connection.aclose()
