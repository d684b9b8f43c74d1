"""One connection: uvicorn's protocol, with a bound on everything that a client can make it wait for or keep.

What cannot be read is refused by the same problem documents as all else, in its turn behind earlier requests.
"""

import asyncio
from collections.abc import Iterator
from typing import Any, Final, cast

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from polling_api.api.answers import CUT, WHOLE
from polling_api.api.guard import Watcher
from polling_api.errors import BadRequest, PollingError, TooSlow, Unavailable
from polling_api.protocol.cycle import Cycle
from polling_api.protocol.flag import Flow
from polling_api.protocol.head import Framing, Target, check_fields, check_host, check_version, read_target, unreadable
from polling_api.protocol.reading import Bounds, Reading, Stage
from polling_api.protocol.refusing import path_of_refused, refusing
from polling_api.protocol.resting import RestingProtocol

LINGER_SECONDS = 10.0  # for a client that still sends to read its refusal; what comes meanwhile is thrown away
LINGER_OF_THE_LATE = 3.0  # for one that had its time already, or for which there is no room
EXTENSIONS: Final[dict[str, dict[str, object]]] = {WHOLE: {}, CUT: {}}  # of our scopes: more of ASGI than usual
MOST_PIPELINED = 128  # requests that wait for the answers before them; each is kept whole


class BoundedProtocol(RestingProtocol):
    """A connection, as far as what comes on it is concerned; `CountedProtocol` has the rest."""

    # Beside uvicorn's own attributes, of which there are as many as instances share the names of (30): one more, and
    # each of ten thousand connections would have a table of names of its own.
    __slots__ = ("_deaf", "_host", "_ignored_upgrade", "_left", "_limit", "_lingers", "_reading", "_running")

    bounds: Bounds
    watcher: Watcher

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.pipeline = cast("Any", [])  # hardly ever used, and empty a tenth of the deque that uvicorn makes
        self._reading = Reading(self.bounds)
        self._limit: asyncio.TimerHandle | None = None
        self._deaf = False  # nothing more is read
        self._lingers = LINGER_SECONDS
        self._left = False  # the client has closed its side
        self._running: Cycle | None = None
        self._ignored_upgrade = b""  # the body's framing, where the parser took what follows for another protocol
        self._host: bytes | None = None  # the last that was in order: a connection has one, mostly

    # Called by the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; a connection on which nothing comes is closed."""
        super().connection_made(transport)
        self.flow = Flow(transport)
        self._set_limit()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every request, not only the newest: one that waits or streams would hold on for nothing."""
        self._unset_limit()
        for cycle in self._unanswered():
            cycle.lose()
        self.pipeline.clear()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Go on with what the client has asked for before it closed its side; True keeps ours open for that."""
        self._deaf = self._left = True
        self._unset_limit()
        for cycle in self._unanswered():
            if cycle.more_body and cycle.failure is None:
                cycle.fail(BadRequest("The body ended before it was whole.", code="body_cut"))
            else:
                cycle.end()
        return self._busy

    def data_received(self, data: bytes) -> None:
        """Read what has come, and see that the rest comes in time."""
        while data and not self._deaf:
            self._reading.feed(len(data))
            data = self._parse(data)
        self._reading.heard = self.loop.time()
        if not self._deaf and self._reading.stage is not Stage.IDLE:
            self._expect_the_rest()

    # Called by the parser

    def on_message_begin(self) -> None:
        """A request's first byte."""
        if self._reading.stage is Stage.PRIMING:
            return
        self._unset_keepalive_if_required()
        self._unset_limit()
        self._reading.begin()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        if self._reading.stage is Stage.HEAD:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field. Those that follow a body are dropped: they would pass for the head's."""
        if self._reading.stage is Stage.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The end of the head: check it, and begin to answer, or queue the request behind those before it.

        Raises:
            PollingError: the head is refused.
        """
        if self._reading.stage is Stage.PRIMING:
            return
        # The answer before may have been completed in the midst of this head.
        self._unset_keepalive_if_required()
        self._unset_limit()
        version = self.parser.get_http_version()
        check_version(version)
        method = self.parser.get_method().decode("ascii")
        target = read_target(method, self.url)
        framing = check_fields(self.headers, len(self.url), version)
        self._take_host(framing, target)
        if len(self.pipeline) >= MOST_PIPELINED:
            raise BadRequest(f"More than {MOST_PIPELINED} requests wait for their answers on this connection.")
        said = {"raw_path": target.raw_path, "query_string": target.query, "extensions": EXTENSIONS}
        cast("Any", self.scope).update(said, method=method, http_version=version, path=target.path)
        del self.scope["state"]  # of a lifespan: ours has none, and this is a dictionary for each open stream
        if self.parser.should_upgrade():
            if self._should_upgrade():
                return
            self._ignored_upgrade = framing.body
        self._reading.begin_body()
        keep_alive = version != "1.0" and self.parser.should_keep_alive()
        self._admit(Cycle(self, cast("Any", self.scope), keep_alive=keep_alive), cast("ASGI3Application", self.app))  # pyright: ignore[reportUnknownMemberType]

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._reading.take_body(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of the request."""
        if self._ignored_upgrade:
            return
        self._reading.stage = Stage.IDLE
        self._unset_limit()
        super().on_message_complete()

    # Called by the request that was answered

    def on_response_complete(self) -> None:
        """Go on with the next request, or close."""
        if self._running is not None and self._running.early:
            self.server_state.total_requests += 1
            self._linger()
            return
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._left:
            self._hang_up()
        else:
            self._rest()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cast("Cycle", cycle)
        super()._start_asgi_task(cycle, app)

    @property
    def _busy(self) -> bool:
        running = self._running
        return bool(self.pipeline) or (running is not None and not running.response_complete)

    def _unanswered(self) -> Iterator[Cycle]:
        if self._running is not None and not self._running.response_complete:
            yield self._running
        for cycle, _ in self.pipeline:
            yield cast("Cycle", cycle)

    # Reading

    def _parse(self, data: bytes) -> bytes:
        """Have the parser read; returns what is left for another."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._past_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            # What a callback of ours raised is the parser error's context.
            refusal = error.__context__
            if not isinstance(refusal, PollingError):
                bad_method = isinstance(error, httptools.HttpParserInvalidMethodError) and self._reading.alone
                refusal = unreadable(str(error), data if bad_method else b"")
            self._refuse(refusal)
        return b""

    def _past_upgrade(self, rest: bytes) -> bytes:
        """Ignore a request for another protocol (RFC 9110, section 7.8): the body and the next request are HTTP.

        The parser took the head for the end of HTTP, and another has to be told where the body ends. Java's client,
        for one, asks for HTTP/2 with the first request it sends, whether that has a body or not.
        """
        if self._should_upgrade():
            self._deaf = True
            self.handle_websocket_upgrade()
            return b""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        framing, self._ignored_upgrade = self._ignored_upgrade, b""
        if framing:
            self._reading.stage = Stage.PRIMING
            self.parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")
            self._reading.stage = Stage.BODY
        return rest

    def _take_host(self, framing: Framing, target: Target) -> None:
        if framing.host is not None and framing.host != self._host:
            check_host(framing.host)
            self._host = framing.host
        if target.authority is not None:
            # It counts more than `Host` (RFC 9112, section 3.2.2), so nobody further in may see another.
            check_host(target.authority)
            self.headers[:] = [(b"host", target.authority), *(one for one in self.headers if one[0] != b"host")]

    def _admit(self, cycle: Cycle, app: ASGI3Application) -> None:
        self.cycle = cycle
        if self._busy:
            self.flow.pause_reading()
            self.pipeline.insert(0, (cycle, app))
        else:
            self._start_asgi_task(cycle, app)

    # Refusing

    def _refuse(self, error: PollingError) -> None:
        """Answer what cannot be read, in its turn, and read no more."""
        self._deaf = True
        self._unset_limit()
        if isinstance(error, TooSlow | Unavailable):
            self._lingers = LINGER_OF_THE_LATE
        if self._reading.stage is Stage.BODY:
            cast("Cycle", self.cycle).fail(error)
            return
        if self._reading.stage is Stage.IDLE:
            super().on_message_begin()
        self.scope.update(method="-", path=path_of_refused(self.url), raw_path=b"/", query_string=b"")
        self._admit(Cycle(self, cast("Any", self.scope), keep_alive=False), refusing(error, self.watcher))

    def _expect_the_rest(self) -> None:
        excess = self._reading.excess()
        if excess is not None:
            self._refuse(excess)
        elif self._limit is None:
            self._set_limit()

    def _overdue(self) -> None:
        self._limit = None
        now = self.loop.time()
        if self._reading.stage is Stage.IDLE:
            self._hang_up()
        elif self.flow.read_paused:  # it is us who are slow
            self._set_limit()
        elif (left := self._reading.left(now)) > 0:
            self._limit = self.loop.call_at(now + left, self._overdue)
        else:
            self._refuse(self._reading.lateness())

    def _linger(self) -> None:
        """Let the client read the answer before the connection is closed under what it still sends."""
        self._deaf = True
        self._unset_limit()
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self.transport.write_eof()
            self._limit = self.loop.call_later(self._lingers, self._hang_up)

    def _hang_up(self) -> None:
        self.transport.close()

    def _set_limit(self) -> None:
        self._reading.since = self._reading.heard = now = self.loop.time()
        self._limit = self.loop.call_at(now + self._reading.left(now), self._overdue)

    def _unset_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
