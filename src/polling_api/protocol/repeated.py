"""One connection on which the same is asked again and again: read once, and answered each time.

A request whose bytes are known, from whichever connection, takes the road of all others from where its head has been
checked. It is counted, limited, logged and answered like them; only the parser is not asked what it has said before.
"""

from contextvars import copy_context
from typing import Any, cast

from polling_api.protocol.connection import EXTENSIONS, BoundedProtocol
from polling_api.protocol.cycle import Cycle
from polling_api.protocol.heads import Heads
from polling_api.protocol.reading import Stage
from polling_api.resilience.steps import step


class RepeatedProtocol(BoundedProtocol):
    """A connection, as far as the parser can be spared; `CountedProtocol` has the rest."""

    __slots__ = ("_last",)

    heads: Heads

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._last = 0  # the hash of the last request that came alone and whole

    def data_received(self, data: bytes) -> None:
        """Begin what is known, and read what is not."""
        between = self._is_between_requests()
        scope = self.heads.find(data) if between else None
        if scope is not None:
            self._begin_again(scope)
            return
        before = self.cycle
        super().data_received(data)
        if between and self.cycle is not before and self._is_between_requests(reading=True):
            self._note(data)

    def _is_between_requests(self, *, reading: bool = False) -> bool:
        """Whether nothing is being read or, but for what was just read, answered."""
        if self._reading.stage is not Stage.IDLE or self._deaf:
            return False
        return not self.pipeline if reading else not self._busy

    def _begin_again(self, scope: dict[str, Any]) -> None:
        self._unset_keepalive_if_required()
        self._unset_limit()
        scope["client"], scope["server"], scope["scheme"] = self.client, self.server, self.scheme
        scope["extensions"] = EXTENSIONS
        self.scope, self.expect_100_continue = cast("Any", scope), False
        cycle = self.cycle = self._running = Cycle(self, scope, keep_alive=True, whole=True)
        context = copy_context()
        rest = step(cycle.run_asgi(cast("Any", self.app)), context)
        if rest is not None:
            task = self.loop.create_task(rest, context=context)
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)

    def _note(self, request: bytes) -> None:
        """Keep a request if the one before it was the same: whoever asks twice asks again."""
        before, self._last = self._last, hash(request)
        if self._last == before and self.cycle.keep_alive:
            self.heads.keep(request, self.scope)
