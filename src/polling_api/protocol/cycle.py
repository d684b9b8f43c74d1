"""One request and its answer, for clients that end early: half-way through a body, or before the answer."""

from collections.abc import Awaitable
from typing import Any, cast

from starlette.types import Scope
from uvicorn._types import ASGI3Application, ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from polling_api.api.answers import CUT, OUTER, WHOLE
from polling_api.errors import PollingError
from polling_api.protocol.flag import Flag
from polling_api.protocol.written import begun, chunk, says_close, written
from polling_api.resilience.steps import DONE


class Cycle(RequestResponseCycle):
    """A request of which nothing more may come, and an answer that may come before the request is whole.

    Args:
        connection: that it came on.
        scope: the request (ASGI).
        keep_alive: whether the connection goes on after it.
        whole: whether all of it is there, and nothing else will come.
    """

    failure: PollingError | None = None
    ended = False
    early = False
    # What uvicorn sets for each request, and most never change.
    disconnected = False
    response_started = False
    response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0

    def __init__(  # pyright: ignore[reportMissingSuperCall] - it sets all of the above, one by one
        self, connection: HttpToolsProtocol, scope: Scope, *, keep_alive: bool, whole: bool = False
    ) -> None:
        self.scope = cast("Any", scope)
        self.transport = connection.transport
        self.flow = connection.flow
        self.logger = connection.logger
        self.access_logger = connection.access_logger
        self.access_log = connection.access_log
        self.default_headers = connection.server_state.default_headers
        self.message_event = cast("Any", Flag(raised=whole))
        self.on_response = connection.on_response_complete
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = connection.expect_100_continue
        self.body = bytearray()
        self.more_body = not whole

    def fail(self, error: PollingError) -> None:
        """Have whoever reads the body raise `error`: the rest of it will not come."""
        self.failure = error
        self.end()

    def end(self) -> None:
        """Nothing more comes from the client, which may still read."""
        self.ended = True
        self.message_event.set()

    def lose(self) -> None:
        """The connection is gone."""
        self.disconnected = True
        self.message_event.set()

    async def run_asgi(self, app: ASGI3Application) -> None:
        """Run the application; an answer that it gave up because nobody reads it ends with its connection.

        To close would wait until what was written is read.
        """
        await super().run_asgi(app)
        if self.flow.write_paused and not self.response_complete:
            self.transport.abort()

    async def receive(self) -> ASGIReceiveEvent:
        """What has come of the body, or that the client has gone away (ASGI).

        Who asks again after the whole body is somebody who waits for the client to go away: a client that has closed
        its side counts as gone then, while an answer that comes without waiting is still written.

        Raises:
            PollingError: the body cannot be read to its end.
        """
        if not self.ended or self._is_whole():
            message = await super().receive()
            if not self.ended or message["type"] == "http.disconnect" or self._was_the_last(message):
                return message
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        if self.failure is not None and not self.response_started:
            raise self.failure
        self.disconnected = True
        self.transport.close()
        return {"type": "http.disconnect"}

    def send(self, message: ASGISendEvent) -> Awaitable[None]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride] - it is only ever awaited
        """Write a part of the answer, or all of it (ASGI); one that comes before the request is whole ends all.

        Most that is sent is written here, and `DONE`, but for what waits for its reader, or is uvicorn's to write.

        Raises:
            RuntimeError: there was an answer before.
            ValueError: a whole answer is none, as `written` says.
            ConnectionResetError: the client is gone, and more would follow. uvicorn says nothing, and who makes a long
                answer would make it to its end for nobody.
        """
        told = cast("Any", message)
        if self.disconnected and told.get("more_body"):
            raise ConnectionResetError("the client is gone")
        if self.flow.write_paused:
            return self._send(message)
        if told["type"] == WHOLE:
            self._send_whole(told)
            return DONE
        if self.chunked_encoding and told.get("more_body") and told.get("body") and not self.response_complete:
            self.transport.write(chunk(told["body"]))
            return DONE
        return self._send(message)

    async def _send(self, message: ASGISendEvent) -> None:
        if message["type"] == cast("Any", CUT):
            self.disconnected = True
            self.transport.close()
            return
        if message["type"] == cast("Any", WHOLE):
            if self.flow.write_paused and not self.disconnected:
                await self.flow.drain()
            self._send_whole(cast("Any", message))
            return
        if self.response_started or not self.more_body:
            await super().send(message)
            return
        self.keep_alive = False
        await super().send(message)
        # The connection's to close: at once, what the client still sends would make it lose this answer.
        self.keep_alive = self.early = True

    def _send_whole(self, answer: dict[str, Any]) -> None:
        if self.disconnected:
            return
        if self.response_started:
            raise RuntimeError("a request is answered once")
        headers, early = answer["headers"], self.more_body
        if self.default_headers:
            headers = [*self.default_headers, *headers]
        closes = early or not self.keep_alive or says_close(headers)
        to_head = self.scope["method"] == "HEAD"
        outer: bytes = answer.get(OUTER, b"")
        self.waiting_for_100_continue = False
        self.response_started = True
        if answer.get("more_body"):
            self.chunked_encoding = True
            self.keep_alive, self.early = early or not closes, early
            self.transport.write(begun(answer["status"], headers, outer, answer["body"], closes=closes))
            return
        self.transport.write(written(answer["status"], headers, outer, answer["body"], closes=closes, to_head=to_head))
        self.response_complete = True
        if early:
            self.keep_alive = self.early = True  # as in `send`
        elif closes:
            self.keep_alive = False
            self.transport.close()
        self.on_response()

    def _is_whole(self) -> bool:
        return bool(self.body) and not self.more_body

    @staticmethod
    def _was_the_last(message: ASGIReceiveEvent) -> bool:
        return message["type"] == "http.request" and bool(message["body"]) and not message["more_body"]
