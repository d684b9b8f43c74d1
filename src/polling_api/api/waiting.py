"""Long polls: one answer, given as soon as what is waited for has happened, or the time is over."""

import asyncio
import time
from collections.abc import Callable

from starlette.types import Scope, Send

from polling_api import metrics
from polling_api.api.answers import Answer
from polling_api.api.conditional import Condition
from polling_api.api.held import Hold, SteppedSend
from polling_api.domain.job import Job
from polling_api.representation import Rendered, Snapshot
from polling_api.watch import Topic

CLOSE = (b"connection", b"close")


class HeldAnswer:
    """A request that waits.

    Args:
        scope: the request.
        send: the server's.
        reached: whether a version is what is waited for.
        answer: the answer that a snapshot makes; None stands for a job that was deleted meanwhile.
    """

    __slots__ = ("_answer", "_deadline", "_hold", "_reached", "_scope", "_set_back", "_topic", "answered", "sending")

    def __init__(
        self, scope: Scope, send: Send, *, reached: Callable[[Job], bool], answer: Callable[[Snapshot | None], Answer]
    ) -> None:
        self._scope = scope
        self.sending = SteppedSend(send)
        self._reached = reached
        self._answer = answer
        self._topic: Topic | None = None
        self._hold: Hold | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._set_back = False
        self.answered = False

    def begin(self, topic: Topic, seconds: float, hold: Hold | None = None) -> None:
        """Answer at once if `topic` is there already, else within `seconds`; let go of `hold` then."""
        self._topic, self._hold = topic, hold
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._give)
        if self._set_back:
            self._give()
        self.changed(topic)

    def changed(self, topic: Topic) -> None:
        """Answer if this is what is waited for. Before `begin` it is too early: `begin` looks again."""
        if self._topic is None or self.answered:
            return
        if topic.snapshot is None or topic.gone:
            self._give()
        elif self._reached(topic.snapshot.job):
            moment = topic.snapshot.job.updated_at.timestamp()
            self._give()
            metrics.commit_to_socket("wait").observe(max(0.0, time.time() - moment))

    def set_back(self, topic: Topic) -> None:
        """Answer now: what was seen is not what the primary knows. Before `begin`, when that is called."""
        self._set_back = True
        if self._topic is topic:
            self._give()

    def drain(self) -> None:
        """Answer now, and have the client come back on another connection, to another process."""
        self._give(CLOSE)

    def end(self) -> None:
        """Free the timer and any write that still waits."""
        self.answered = True
        if self._deadline is not None:
            self._deadline.cancel()
        self.sending.abandon()
        self._hold = None  # which holds on to this

    def _give(self, *extra: tuple[bytes, bytes]) -> None:
        if self._topic is None or self.answered:
            return
        self.answered = True
        answer = self._answer(None if self._topic.gone else self._topic.snapshot)
        if extra:
            answer = answer._replace(headers=[*answer.headers, *extra])
        if self._hold is not None:
            self._hold.let_go()
        self.sending.write(*answer.messages(self._scope))


def version_seen(rendered: Rendered, condition: Condition, *, any_change: bool) -> int:
    """The version a waiting caller has seen; 0 where it names none that this job had, so that it waits for nothing.

    Args:
        rendered: the present version.
        condition: what the caller says.
        any_change: whether every change is waited for; else an older version that it names is one it has seen.
    """
    job, named = rendered.job, condition.version
    if not condition.given or condition.holds_now(rendered):
        return job.version
    if named is None or named >= job.version or any_change:
        return 0
    return named
