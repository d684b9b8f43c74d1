"""One connection between two requests: closed where nothing is asked for a while."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class RestingProtocol(HttpToolsProtocol):
    """uvicorn's connection, with one timer for all its rests.

    uvicorn stops the timer when something is asked, and sets it anew when that is answered; this one goes on, and finds
    out at its end whether it was the time of one rest.
    """

    __slots__ = ("_rests_since",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._rests_since: float | None = None  # on the event loop's clock; None while something is asked

    def connection_lost(self, exc: Exception | None) -> None:
        """Free the timer."""
        super().connection_lost(exc)
        super()._unset_keepalive_if_required()

    def timeout_keep_alive_handler(self) -> None:
        """Close, if nothing was asked for so long."""
        self.timeout_keep_alive_task = None
        if self._rests_since is None:
            return
        left = self._rests_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_in(left)
        else:
            super().timeout_keep_alive_handler()

    def _rest(self) -> None:
        """Nothing is asked any more."""
        self._rests_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_in(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        """Something is asked."""
        self._rests_since = None

    def _look_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)
