"""How a process holds its streams: counted, kept alive, let go when it stops."""

from collections.abc import Awaitable, Iterable
from contextlib import AbstractContextManager
from types import TracebackType

from starlette.types import Receive

from polling_api.api.admission import Admission
from polling_api.api.answers import NO_STORE, VARY, Answer, oldest
from polling_api.api.event_stream import HEADERS
from polling_api.api.held import Holding, going_away
from polling_api.api.lapsing import Lapsing
from polling_api.api.streaming import KeepAlive, OpenStream
from polling_api.ratelimit import Party
from polling_api.watch import StatusWatch, Topic


def seen_the_end(watch: StatusWatch, topics: Iterable[Topic]) -> Answer:
    """The answer to who has seen all there is: it stops an EventSource for good."""
    return Answer(204, [NO_STORE, VARY, *oldest(watch, topics)])


def head_of_stream(watch: StatusWatch, topics: Iterable[Topic]) -> Answer:
    """The answer to who asks for the head of a stream alone."""
    return Answer(200, [*HEADERS, *oldest(watch, topics)])


class OpenStreams:
    """Holds streams of all kinds.

    Args:
        holding: counts them.
        keep_alive: writes comments into silent ones.
        lapsing: ends those whose readers' credentials end.
    """

    def __init__(self, holding: Holding, keep_alive: KeepAlive, lapsing: Lapsing) -> None:
        self._holding = holding
        self._keep_alive = keep_alive
        self._lapsing = lapsing

    def require_staying(self) -> None:
        """Let a stream begin that would not be ended at once.

        Raises:
            Unavailable: this process is going away.
        """
        if self._holding.draining:
            raise going_away()

    def held(self, stream: OpenStream, admission: Admission, party: Party | None) -> AbstractContextManager[None]:
        """Hold a stream for as long as the block runs, which begins it and then waits `until_gone`.

        Entering it raises:
            TooMany: `party` holds as many open as it may.
            Unavailable: this process does.
        """
        return _Open(self, stream, admission, party)

    def until_gone(self, stream: OpenStream, receive: Receive) -> Awaitable[None]:
        """What is over once the reader of a stream that has begun is gone, or the stream has ended."""
        self._holding.catch_up(stream)
        return stream.sending.until_gone(receive)

    def enter(self, stream: OpenStream, admission: Admission, party: Party | None) -> int:
        """Begin to hold a stream; see `held`.

        Returns:
            What `leave` needs.
        """
        self._holding.enter(stream, "stream", party)
        self._lapsing.add(stream, admission)
        return self._keep_alive.add(stream)

    def leave(self, stream: OpenStream, slot: int, party: Party | None) -> None:
        """Let go of what `enter` began to hold."""
        self._keep_alive.discard(stream, slot)
        self._lapsing.discard(stream)
        self._holding.leave(stream, "stream", party)


class _Open:
    """A block during which a stream is open. Ten thousand are at once, each of which would keep three generators."""

    __slots__ = ("_admission", "_party", "_slot", "_stream", "_streams")

    def __init__(self, streams: OpenStreams, stream: OpenStream, admission: Admission, party: Party | None) -> None:
        self._streams = streams
        self._stream = stream
        self._admission = admission
        self._party = party
        self._slot = 0

    def __enter__(self) -> None:
        self._slot = self._streams.enter(self._stream, self._admission, self._party)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._streams.leave(self._stream, self._slot, self._party)
