"""Long polls for many jobs: one answer, given soon after the first news, or when the time is over."""

import asyncio
from collections.abc import Callable

from starlette.types import Scope, Send

from polling_api.api.answers import Answer
from polling_api.api.held import Hold, SteppedSend
from polling_api.api.waiting import CLOSE
from polling_api.watch import Topic

GATHERED_FOR = 0.025  # seconds after the first news, in which more of it goes into the same answer


class HeldList:
    """A call that waits for many jobs.

    Args:
        scope: the request.
        send: the server's.
        is_news: whether what is known of a job now is what is waited for.
        answer: what is answered after so many whole seconds.
    """

    def __init__(
        self, scope: Scope, send: Send, *, is_news: Callable[[Topic], bool], answer: Callable[[int], Answer]
    ) -> None:
        self._scope = scope
        self.sending = SteppedSend(send)
        self._is_news = is_news
        self._answer = answer
        self._began = 0.0
        self._timers: list[asyncio.TimerHandle] = []  # the deadline, and the end of the gathering
        self._hold: Hold | None = None
        self._answered = False

    def begin(self, seconds: float, hold: Hold | None = None) -> None:
        """Wait from now on, at most so long, and let go of `hold` then.

        What there was before is for the caller to have looked at.
        """
        self._hold = hold
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        self._timers = [loop.call_later(seconds, self._give)]

    def changed(self, topic: Topic) -> None:
        """Answer soon if this is news, together with what comes until then."""
        if len(self._timers) == 1 and self._is_news(topic):
            self._timers.append(asyncio.get_running_loop().call_later(GATHERED_FOR, self._give))

    def set_back(self, topic: Topic) -> None:  # noqa: ARG002 - the answer is about all of them
        """Answer now: what was seen is not what the primary knows. Before `begin` the caller looks at it."""
        if self._timers:
            self._give()

    def drain(self) -> None:
        """Answer now, and have the client come back on another connection, to another process."""
        self._give(CLOSE)

    def end(self) -> None:
        """Free the timers and any write that still waits."""
        self._answered = True
        for timer in self._timers:
            timer.cancel()
        self.sending.abandon()
        self._hold = None  # which holds on to this

    def _give(self, *extra: tuple[bytes, bytes]) -> None:
        if self._answered:
            return
        self._answered = True
        answer = self._answer(int(asyncio.get_running_loop().time() - self._began))
        if self._hold is not None:
            self._hold.let_go()
        self.sending.write(*answer._replace(headers=[*answer.headers, *extra]).messages(self._scope))
