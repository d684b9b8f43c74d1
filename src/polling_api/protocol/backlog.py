"""What was written and waits for its readers: how much of it a process keeps, and who goes where it is too much."""

import asyncio
from collections import OrderedDict

import structlog

MUCH = 256 * 1024  # bytes: less than that waits for any stream or download whose reader is slow, and is not counted
MOST = 256 * 1024 * 1024  # bytes in all: thirty-two of the largest pages, or more with fewer in them
MOST_OF_ADDRESS = 64 * 1024 * 1024  # bytes for one address: eight of them

_log = structlog.get_logger(__name__)


class Backlog:
    """Bounds the bytes that wait for readers of large answers, by cutting whoever has taken longest over theirs.

    An answer is written at once, however large it is, and its reader may take it as slowly as 64 KiB in 30 s: a page of
    8 MiB for an hour, and an address may ask for a thousand of them in one.

    Args:
        most: bytes in all.
        most_of_address: bytes of one address.
    """

    def __init__(self, most: int = MOST, most_of_address: int = MOST_OF_ADDRESS) -> None:
        self._most = most
        self._most_of_address = most_of_address
        self._waiting = OrderedDict[asyncio.Transport, tuple[str, int]]()  # the one that waits longest comes first

    def enter(self, transport: asyncio.Transport, address: str) -> None:
        """Count what waits on a connection, where it is much; another may be cut for it.

        Args:
            transport: of the connection.
            address: that it is counted for; empty for one that carries many callers.
        """
        size = transport.get_write_buffer_size()
        if size < MUCH:
            return
        self._waiting[transport] = address, size
        self._make_room(self._most, dict(self._waiting))
        if address:
            of_address = {one: told for one, told in self._waiting.items() if told[0] == address}
            self._make_room(self._most_of_address, of_address)

    def leave(self, transport: asyncio.Transport) -> None:
        """Count it no more: its reader has taken it, or is gone."""
        self._waiting.pop(transport, None)

    def _make_room(self, most: int, among: dict[asyncio.Transport, tuple[str, int]]) -> None:
        """Cut the first of some connections until what waits on the others is no more than `most`; the last stays."""
        kept = sum(size for _, size in among.values())
        for transport, (address, size) in list(among.items())[:-1]:
            if kept <= most:
                return
            kept -= size
            self.leave(transport)
            _log.info("a slow reader was cut, to make room", address=address, bytes=size)
            transport.abort()
