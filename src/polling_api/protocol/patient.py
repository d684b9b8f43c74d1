"""One connection that is let go, and heard again, when the news that thousands wait for has been told."""

from typing import Any

from polling_api.protocol.repeated import RepeatedProtocol
from polling_api.resilience.news_first import NewsFirst

READ_WITHIN = 0.01  # seconds; an event loop reads what has come before it looks for timers that are due


class PatientProtocol(RepeatedProtocol):
    """A connection, as far as it makes way; `CountedProtocol` has the rest.

    Who is told what others wait to be told too is not read meanwhile, nor is what its request took given back, but for
    its place among those that are held open. What it asks stays with the system.
    """

    __slots__ = ("_is_held_back",)

    news: NewsFirst

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._is_held_back = False

    def on_response_complete(self) -> None:
        """Go on with the next request, in its time, or close."""
        answered = self._running
        super().on_response_complete()
        if answered is None:
            return
        if self.news.telling and self._rests_since is not None and not self.transport.is_closing():
            self._is_held_back = True
            self.flow.pause_reading()
            self.news.end_first(answered.message_event.set)
            self.news.hold_back(self)
        else:
            answered.message_event.set()

    def go_on(self) -> None:
        """Read what is asked next."""
        self._is_held_back = False
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def shutdown(self) -> None:
        """Close, but read first what was asked before we began to end: it would be lost, and the answer with it."""
        if self._is_held_back:
            self.news.forget(self)
            self.go_on()
            self.loop.call_later(READ_WITHIN, super().shutdown)
        else:
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hold nothing back for nobody."""
        if self._is_held_back:
            self._is_held_back = False
            self.news.forget(self)
        super().connection_lost(exc)
