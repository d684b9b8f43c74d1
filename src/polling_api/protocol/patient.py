"""One connection whose next request is read when the news that thousands wait for has been told."""

from math import inf
from typing import Any

from polling_api.protocol.repeated import RepeatedProtocol
from polling_api.resilience.news_first import NewsFirst

LONGEST_HELD = 4096  # bytes: ten thousand take 40 MB at worst, and a request without a body is hardly ever longer


class PatientProtocol(RepeatedProtocol):
    """A connection, as far as it makes way; `CountedProtocol` has the rest."""

    __slots__ = ("_held_back",)

    news: NewsFirst

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._held_back = b""  # what has come since its last answer

    def data_received(self, data: bytes) -> None:
        """Read what has come, or keep it for a moment."""
        if self._held_back:
            self.news.forget(self)
            data, self._held_back = self._held_back + data, b""
        elif self.news.since != inf and self._can_wait(data):
            self._unset_keepalive_if_required()
            self._unset_limit()
            self._held_back = data
            self.news.hold_back(self)
            return
        super().data_received(data)

    def go_on(self) -> None:
        """Read what was kept."""
        if self._held_back:
            self.data_received(b"")

    def eof_received(self) -> bool:  # type: ignore[override]
        """Read what the client had sent before it closed its side."""
        self.go_on()
        return super().eof_received()

    def shutdown(self) -> None:
        """Read what was asked before we began to end."""
        self.go_on()
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was asked: nobody waits for the answer."""
        self._held_back = b""
        self.news.forget(self)
        super().connection_lost(exc)

    def _can_wait(self, data: bytes) -> bool:
        """Whether a request begins, after an answer that was given since the telling began."""
        answered = self._rests_since is not None and self._rests_since >= self.news.since
        return answered and len(data) <= LONGEST_HELD and self._is_between_requests()
