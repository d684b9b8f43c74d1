"""How a process holds its streams: counted, kept alive, let go when it stops."""

from collections.abc import Callable

from starlette.types import Receive

from polling_api.api.admission import Admission
from polling_api.api.answers import NO_STORE, VARY, Answer
from polling_api.api.held import Holding
from polling_api.api.lapsing import Lapsing
from polling_api.api.streaming import KeepAlive, OpenStream
from polling_api.errors import Unavailable
from polling_api.ratelimit import Party

SEEN_THE_END = Answer(204, [NO_STORE, VARY])  # stops an EventSource for good


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
            raise Unavailable("This process is going away; connect again.", code="draining", retry_after=1)

    async def hold(
        self,
        stream: OpenStream,
        begin: Callable[[], None],
        admission: Admission,
        party: Party | None,
        receive: Receive,
    ) -> None:
        """Have `begin` write a stream's beginning, and return once its reader has gone or it has ended.

        Raises:
            TooMany: `party` holds as many open as it may.
            Unavailable: this process does.
        """
        with self._holding.holds(stream, "stream", party), self._lapsing.ends(stream, admission):
            slot = self._keep_alive.add(stream)
            try:
                begin()
                self._holding.catch_up(stream)
                await stream.sending.until_gone(receive)
            finally:
                self._keep_alive.discard(stream, slot)
