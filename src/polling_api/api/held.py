"""Requests held open without a task that waits for news.

The request's own task sleeps in `receive`, and whoever brings the news steps the answer's `send`. Ten thousand open
streams are then ten thousand small objects, and a change is one write for each.
"""

import asyncio
import contextvars
import types
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol, Self

import structlog
from starlette.types import Message, Receive, Scope, Send

from polling_api import metrics
from polling_api.api.answers import Answer
from polling_api.errors import Unavailable
from polling_api.ratelimit import Held as Limit
from polling_api.ratelimit import Party
from polling_api.resilience.steps import DONE, step

STALLED_AFTER = 30.0  # seconds in which a reader takes nothing of what waits for it: two keep-alives

_log = structlog.get_logger(__name__)


def _nobody_waits() -> None:
    """An answer is one write: nothing follows it."""


class SteppedSend:
    """An ASGI `send` that can be called by whoever has news, while the request's own task sleeps in `until_gone`.

    While the socket takes no more, a task of its own finishes the write and then calls `ready`; nothing else may be
    written until then. A reader that takes nothing for 30 s is given up. Whoever writes, it is in the context of the
    request, so that its log lines carry its own correlation id.

    Args:
        send: the server's.
        ready: called when a write that had to wait is through; nobody needs it where an answer is one write.

    Attributes:
        busy: whether an earlier write still waits for the socket.
    """

    __slots__ = ("_context", "_gave_up", "_ready", "_request", "_rest", "_send", "busy")

    def __init__(self, send: Send, ready: Callable[[], None] = _nobody_waits) -> None:
        self._send = send
        self._ready = ready
        self._request = asyncio.current_task()
        self._context = contextvars.copy_context()
        self._rest: asyncio.Task[None] | None = None
        self._gave_up = False
        self.busy = False

    def write(self, message: Message, *more: Message) -> None:
        """Send messages, at once where the socket takes them."""
        try:
            # What is sent of an answer that has begun is no news to a log, and ten thousand are sent the same.
            is_part = message["type"] == "http.response.body"
            sent = self._send(message) if is_part else self._context.run(self._send, message)
            if sent is DONE and not more:
                return
            rest = step(self._send_all(sent, more), self._context)
        except Exception as error:  # noqa: BLE001 - one reader's fault must not reach the others' writes
            self._give_up(error)
            return
        if rest is not None:
            self.busy = True
            self._rest = asyncio.create_task(self._finish(rest), context=self._context)

    async def until_gone(self, receive: Receive) -> None:
        """Return when the client has gone away, the answer is complete, or the reader was given up."""
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            if not self._gave_up or self._request is None:
                raise
            self._request.uncancel()

    def abandon(self) -> None:
        """Give up a write that still waits; nothing is written after that."""
        if self._rest is not None:
            self._rest.cancel()
        # Whose it is holds on to this: both would stay, with all of the request, until the collector looks through
        # what is old, which it hardly ever does in a process that holds thousands.
        self._ready = _nobody_waits

    async def _send_all(self, sent: Awaitable[None], messages: Sequence[Message]) -> None:
        await sent
        for message in messages:
            await self._send(message)

    async def _finish(self, rest: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(STALLED_AFTER):
                await rest
        except Exception as error:  # noqa: BLE001 - as above
            self.busy, self._rest = False, None
            self._give_up(error)
        else:
            self.busy, self._rest = False, None
            # Not from here: this task is in the request's context, and a write cannot enter that a second time.
            asyncio.get_running_loop().call_soon(self._ready)

    def _give_up(self, error: Exception) -> None:
        _log.info("a held answer could not be written", reason=str(error) or type(error).__name__)
        if self._request is not None and not self._gave_up:
            self._gave_up = True
            self._request.cancel()


class Held(Protocol):
    """A request that is held open."""

    def drain(self) -> None:
        """End in good order: the service is going away."""
        ...


class Holding:
    """Everything that this process holds open: counted, and let go in good order at the end.

    Args:
        limit: how much it may be for each caller, and in all; None for as much as comes.
    """

    def __init__(self, limit: Limit | None = None) -> None:
        self.draining = False
        self._limit = limit
        self._held: dict[str, set[Held]] = {"wait": set(), "stream": set()}

    def holds(self, held: Held, transport: str, party: Party | None) -> "Hold":
        """Count `held` under `transport`, `wait` or `stream`, and for `party`, for as long as the block runs.

        Entering it raises:
            TooMany: the party holds as much as it may (`too_many_streams`).
            Unavailable: the process does (`overloaded`).
        """
        return Hold(self, held, transport, party)

    def enter(self, held: Held, transport: str, party: Party | None) -> None:
        """Begin to count; see `holds`."""
        if self._limit is not None and party is not None:
            self._limit.enter(party)
        self._held[transport].add(held)
        metrics.held(transport).inc()

    def leave(self, held: Held, transport: str, party: Party | None) -> None:
        """Count what `enter` began to count no more."""
        self._held[transport].discard(held)
        metrics.held(transport).dec()
        if self._limit is not None and party is not None:
            self._limit.leave(party)

    @property
    def waits(self) -> int:
        """How many waits there are now."""
        return len(self._held["wait"])

    @property
    def streams(self) -> int:
        """How many streams there are now."""
        return len(self._held["stream"])

    def catch_up(self, held: Held) -> None:
        """Let `held` go if it joined while the process was draining already, and so is on no list."""
        if self.draining:
            held.drain()

    async def drain(self, seconds: float) -> None:
        """Answer every wait at once and end the streams spread over `seconds`, so that they do not return at once."""
        self.draining = True
        for wait in tuple(self._held["wait"]):
            wait.drain()
        streams = tuple(self._held["stream"])
        steps = max(1, min(len(streams), int(seconds * 20)))
        for number in range(steps):
            if number:
                await asyncio.sleep(seconds / steps)
            for stream in streams[number::steps]:
                if stream in self._held["stream"]:
                    stream.drain()


class Hold:
    """A block during which something is held open; small, where a generator takes half a KiB for each."""

    __slots__ = ("_counts", "_held", "_holding", "_party", "_transport")

    def __init__(self, holding: Holding, held: Held, transport: str, party: Party | None) -> None:
        self._holding = holding
        self._held = held
        self._transport = transport
        self._party = party
        self._counts = False

    def __enter__(self) -> Self:
        self._holding.enter(self._held, self._transport, self._party)
        self._counts = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.let_go()

    def let_go(self) -> None:
        """Count it no more, though the block may still run for a moment: who was answered may be held again."""
        if self._counts:
            self._counts = False
            self._holding.leave(self._held, self._transport, self._party)


def going_away() -> Unavailable:
    """What is told to whoever would be held by a process that is about to stop."""
    return Unavailable("This process is going away; connect again.", code="draining", retry_after=1)


def send_whole(answer: Answer, scope: Scope, send: Send) -> Awaitable[None]:
    """Answer a request in one go. Not a coroutine of its own where one message does it: a poll has nine others."""
    first, *more = answer.messages(scope)
    return _send_each(send, first, more) if more else send(first)


async def _send_each(send: Send, first: Message, more: Sequence[Message]) -> None:
    await send(first)
    for message in more:
        await send(message)
