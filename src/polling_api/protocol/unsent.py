"""What was written for a reader, and waits for it to be taken."""

import asyncio

ENOUGH = 64 * 1024  # bytes: what a reader has to take in its time, where so much is left, and not byte after byte
_LOOKS = 4  # in a reader's time: one that has slowed down is found out a quarter of it late at most


class Unsent:
    """Cuts the connection of a reader that takes nothing.

    uvicorn only closes, which waits until everything is sent: for ever, where nobody reads.

    Args:
        transport: with bytes that wait.
        seconds: in which the reader has to take 64 KiB, or all there is.
        loop: the event loop.
    """

    __slots__ = ("_left", "_loop", "_seconds", "_since", "_timer", "_transport")

    def __init__(self, transport: asyncio.Transport, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._seconds = seconds
        self._loop = loop
        self._since = loop.time()
        self._left = transport.get_write_buffer_size()
        self._timer = loop.call_later(seconds / _LOOKS, self._look)

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _look(self) -> None:
        now, left = self._loop.time(), self._transport.get_write_buffer_size()
        if self._left - left >= ENOUGH:
            self._left, self._since = left, now
        elif now - self._since >= self._seconds:
            self._transport.abort()
            return
        self._timer = self._loop.call_at(min(now + self._seconds / _LOOKS, self._since + self._seconds), self._look)
