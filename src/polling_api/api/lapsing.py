"""Ends streams whose reader's credentials end, and says so beforehand."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import orjson

from polling_api.api.admission import Admission
from polling_api.representation import timestamp

REAUTH_BEFORE = 60.0  # seconds; time enough to ask for another token and open the next stream
LOOK_EVERY = 1.0  # seconds between two looks whether keys were revoked; they are known within 2 s
LOOKED_AT_ONCE = 500  # streams between two turns of the event loop: a millisecond's work


class Lapsable(Protocol):
    """An open stream that can end before its job does."""

    def tell(self, event: bytes) -> None:
        """Write an event that is none of the job's, as soon as the reader takes it."""
        ...

    def drain(self) -> None:
        """End in good order."""
        ...


class Lapsing:
    """All streams of one process whose readers have shown credentials.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._streams: dict[Lapsable, tuple[Admission, _Timer | None]] = {}

    def add(self, stream: Lapsable, admission: Admission) -> None:
        """End `stream` when `admission` does; one without credentials never does."""
        if admission.caller.key_id is not None:
            grant = admission.caller.grant
            self._streams[stream] = admission, grant and _Timer(stream, grant.expires_at, self._clock)

    def discard(self, stream: Lapsable) -> None:
        """A stream has ended."""
        _, timer = self._streams.pop(stream, (None, None))
        if timer is not None:
            timer.cancel()

    async def run(self) -> None:
        """Look for credentials that were revoked, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for number, (stream, (admission, _)) in enumerate(tuple(self._streams.items())):
                if stream in self._streams and admission.lapsed() is not None:
                    stream.drain()
                if number % LOOKED_AT_ONCE == 0:
                    await asyncio.sleep(0)


class _Timer:
    """Tells a stream that its token is about to end, and then ends it."""

    __slots__ = ("_clock", "_expires_at", "_handle", "_stream")

    def __init__(self, stream: Lapsable, expires_at: datetime, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._expires_at = expires_at
        self._clock = clock
        self._handle = self._after(REAUTH_BEFORE, self._tell)

    def cancel(self) -> None:
        self._handle.cancel()

    def _tell(self) -> None:
        self._stream.tell(reauth_event(self._expires_at))
        self._handle = self._after(0, self._stream.drain)

    def _after(self, before: float, then: Callable[[], None]) -> asyncio.TimerHandle:
        delay = self._expires_at.timestamp() - before - self._clock()
        return asyncio.get_running_loop().call_later(max(0.0, delay), then)


def reauth_event(expires_at: datetime) -> bytes:
    """The event that says when the stream will end for want of a valid token."""
    return b"event: reauth\ndata: %b\n\n" % orjson.dumps({"expires_at": timestamp(expires_at)})
