"""Keeps watch over a part that is needed, so that no request has to find out that it hangs."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from polling_api.resilience.breaker import Breaker, CircuitOpen, State

_log = structlog.get_logger(__name__)


class Vigil:
    """Has the heart beat again and again, and the circuit open and close by it.

    Args:
        name: of the part, for the log.
        beat: asks it, within a bounded time.
        failure: what it raises where it was not answered.
        circuit: records the answers, and says when it may be asked.
        every: seconds between the starts of two beats.
        gone: called when it is found not to answer.
        back: called when it answers again.
    """

    def __init__(
        self,
        name: str,
        beat: Callable[[], Awaitable[None]],
        failure: type[Exception],
        circuit: Breaker,
        *,
        every: float,
        gone: Callable[[], None],
        back: Callable[[], None],
    ) -> None:
        self._name = name
        self._beat = beat
        self._failure = failure
        self._circuit = circuit
        self._every = every
        self._gone = gone
        self._back = back

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            began = time.monotonic()
            wait = await self._once()
            await asyncio.sleep(max(wait, began + self._every - time.monotonic()))

    async def _once(self) -> float:
        """One beat; answers how many seconds none can follow it."""
        was = self._circuit.state
        try:
            with self._circuit.attempt():
                await self._beat()
        except CircuitOpen as refused:
            return refused.retry_after
        except self._failure as error:
            self._note(was, error)
        else:
            self._note(was, None)
        return 0.0

    def _note(self, was: State, error: Exception | None) -> None:
        """Tell of a change."""
        answers = self._circuit.state is State.CLOSED
        if answers and was is not State.CLOSED:
            _log.info("heartbeat again", of=self._name)
            self._back()
        elif not answers and was is State.CLOSED:
            cause = error and (error.__cause__ or error)
            _log.warning("no heartbeat", of=self._name, reason=str(cause) or type(cause).__name__)
            self._gone()
