"""What SIGINT, SIGTERM and SIGHUP do to the supervisor, which differs from phase to phase."""

import asyncio
import signal
from types import FrameType, TracebackType
from typing import Self

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: the terminal was closed


class Ended(BaseException):
    """An ending signal came while things were still being started."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


class EndingSignals:
    """While things start, a signal raises `Ended`; while they run it is queued; while they end it is only noted."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._ending = False

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._take) for number in _ENDING}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def queue(self) -> asyncio.Queue[signal.Signals]:
        """From now on signals are put here; for the running loop."""
        self._loop = asyncio.get_running_loop()
        return self._queue

    def ending(self) -> None:
        """From now on signals change nothing: what follows is bounded, and must not be cut short."""
        self._ending = True

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if self._ending:
            return
        if self._loop is None:
            raise Ended(signal.Signals(number))
        self._loop.call_soon_threadsafe(self._queue.put_nowait, signal.Signals(number))
