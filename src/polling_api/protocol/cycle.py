"""One request and its answer, for clients that end early: half-way through a body, or before the answer."""

from uvicorn._types import ASGI3Application, ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from polling_api.errors import PollingError


class Cycle(RequestResponseCycle):
    """A request of which nothing more may come, and an answer that may come before the request is whole."""

    failure: PollingError | None = None
    ended = False
    early = False

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

    async def send(self, message: ASGISendEvent) -> None:
        """Write a part of the answer (ASGI); one that comes before the request is whole announces the end."""
        if self.response_started or not self.more_body:
            await super().send(message)
            return
        self.keep_alive = False
        await super().send(message)
        # The connection's to close: at once, what the client still sends would make it lose this answer.
        self.keep_alive = self.early = True

    def _is_whole(self) -> bool:
        return bool(self.body) and not self.more_body

    @staticmethod
    def _was_the_last(message: ASGIReceiveEvent) -> bool:
        return message["type"] == "http.request" and bool(message["body"]) and not message["more_body"]
