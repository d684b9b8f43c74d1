"""One connection among many: counted, turned away where there is no room, and cut where its reader takes nothing."""

import asyncio
from typing import Any

from uvicorn._types import ASGI3Application

from polling_api.api.guard import Watcher
from polling_api.errors import Unavailable
from polling_api.protocol.capacity import Capacity
from polling_api.protocol.connection import LINGER_OF_THE_LATE
from polling_api.protocol.cycle import Cycle
from polling_api.protocol.heads import Heads
from polling_api.protocol.patient import PatientProtocol
from polling_api.protocol.reading import Bounds
from polling_api.protocol.refusing import refusing
from polling_api.protocol.unsent import Unsent
from polling_api.resilience.news_first import NewsFirst


class CountedProtocol(PatientProtocol):
    """A connection. `bounded` makes the class that uvicorn is given."""

    __slots__ = ("_asking", "_counted_for", "_refusal", "_turned_away", "_unsent")

    capacity: Capacity

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._counted_for: str | None = None
        self._turned_away = False
        self._refusal: Unavailable | None = None  # what one that is turned away is told, whatever it asks
        self._asking: asyncio.TimerHandle | None = None  # the end of the time in which one that is turned away may ask
        self._unsent: Unsent | None = None

    @classmethod
    def bounded(
        cls,
        bounds: Bounds,
        capacity: Capacity,
        watcher: Watcher,
        *,
        heads: Heads | None = None,
        news: NewsFirst | None = None,
    ) -> "type[CountedProtocol]":
        """The protocol with these bounds, all of whose connections share `capacity`.

        Args:
            bounds: of time.
            capacity: of connections.
            watcher: says what is left to whom a request is refused that no route sees.
            heads: the requests that they have read before.
            news: says which are held back.
        """
        shared = {"bounds": bounds, "capacity": capacity, "watcher": watcher}
        kept = {"heads": Heads() if heads is None else heads, "news": news or NewsFirst()}
        return type(cls.__name__, (cls,), {**shared, **kept})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or tell the client that there is no room for it, and cut it where that is told to many already.

        It is told once it has asked: an EventSource can only be refused in a stream, for which it asks in the head
        (`?refusals=stream`). Who has not asked within 3 s is told all the same.
        """
        super().connection_made(transport)
        try:
            self._counted_for = self.capacity.enter(self.client[0] if self.client else None)
        except Unavailable as refusal:
            self._turned_away = self.capacity.turn_away()
            if self._turned_away:
                self._refusal = refusal
                self._asking = self.loop.call_later(LINGER_OF_THE_LATE, self._refuse_unasked, refusal)
            else:
                transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room."""
        self._see_it_no_more()
        if self._counted_for is not None:
            self.capacity.leave(self._counted_for)
            self._counted_for = None
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        if self._turned_away:
            self.capacity.turned_away()
            self._turned_away = False
        super().connection_lost(exc)
        # uvicorn does that where the client said farewell: one that was reset would stay in memory for the 65 s.
        self._unset_keepalive_if_required()

    def pause_writing(self) -> None:
        """More waits for the reader than is kept for one."""
        super().pause_writing()
        self._see_it_taken()

    def resume_writing(self) -> None:
        """The reader has taken most of it."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._see_it_no_more()

    def on_response_complete(self) -> None:
        """Go on with the next request, or close, which waits for the reader too."""
        super().on_response_complete()
        self._see_it_closed()

    def timeout_keep_alive_handler(self) -> None:
        """Close; no request came for a while."""
        super().timeout_keep_alive_handler()
        self._see_it_closed()

    def _is_between_requests(self, *, reading: bool = False) -> bool:
        # What is known is answered at once: one that is turned away is refused whatever it asks.
        return self._refusal is None and super()._is_between_requests(reading=reading)

    def _admit(self, cycle: Cycle, app: ASGI3Application) -> None:
        if self._refusal is not None:
            self._deaf, self._lingers, cycle.keep_alive = True, LINGER_OF_THE_LATE, False
            self._unset_limit()
            app = refusing(self._refusal)
        super()._admit(cycle, app)

    def _should_upgrade(self) -> bool:
        return self._refusal is None and super()._should_upgrade()

    def _refuse_unasked(self, refusal: Unavailable) -> None:
        if not self._deaf:
            self._refuse(refusal)

    def _hang_up(self) -> None:
        super()._hang_up()
        self._see_it_closed()

    def _see_it_closed(self) -> None:
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._see_it_taken()

    def _see_it_taken(self) -> None:
        if self._unsent is None:
            self._unsent = Unsent(self.transport, self.bounds.stalled_seconds, self.loop)
            self.capacity.backlog.enter(self.transport, self._counted_for or "")

    def _see_it_no_more(self) -> None:
        if self._unsent is not None:
            self._unsent.end()
            self._unsent = None
            self.capacity.backlog.leave(self.transport)
