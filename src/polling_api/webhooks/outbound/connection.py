"""One connection to a receiver: one request at a time, and how its answer comes."""

import asyncio
from typing import cast

from polling_api.webhooks.outbound.answers import Answered, AnswerReader, MalformedAnswer
from polling_api.webhooks.outbound.errors import Unanswered


class Stale(Exception):
    """A kept connection had ended before the request reached anybody: another one may be tried."""


class Connection(asyncio.Protocol):
    """A connection. It ends as soon as anything is not as it should be.

    Attributes:
        usable: whether it may be asked (again).
        used: whether it has answered before.
    """

    def __init__(self) -> None:
        self.usable = False
        self.used = False
        self._transport: asyncio.Transport | None = None
        self._reader: AnswerReader | None = None
        self._answered: asyncio.Future[Answered] | None = None

    async def ask(self, request: bytes) -> Answered:
        """Send a request, and wait for its answer without an end of its own: a deadline is the caller's.

        Raises:
            Stale: it was used before, and ended without a byte of an answer.
            Unanswered: it broke, or what came is no answer.
        """
        if self._transport is None or not self.usable:
            raise Stale if self.used else Unanswered("the connection broke")
        self.usable = False
        self._reader, self._answered = AnswerReader(), asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            answered = await self._answered
        finally:
            self._answered = None
            if not self.usable:
                self.end()
        self.used = True
        return answered

    def end(self) -> None:
        """End it at once, whoever is in the middle of what."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = cast("asyncio.Transport", transport)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        """Read the answer; what comes unasked is the end, since it would be taken for the next one's answer."""
        reader = self._reader
        if reader is None or self._answered is None or self._answered.done():
            self.end()
            return
        try:
            reader.feed(data)
        except MalformedAnswer:
            self._answered.set_exception(Unanswered("the answer is no HTTP"))
            return
        if reader.enough:
            self.usable = reader.lasting
            self._answered.set_result(reader.answered)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended, which is the end of an answer that does not say how long it is."""
        self.usable = False
        if self._answered is None or self._answered.done() or self._reader is None:
            return
        if exc is None and self._reader.closed():
            self._answered.set_result(self._reader.answered)
        elif self.used and not self._reader.begun:
            self._answered.set_exception(Stale())
        else:
            self._answered.set_exception(Unanswered("the connection broke"))
