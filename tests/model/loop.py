"""An event loop without a will of its own: time stands until it is moved, and processes run when they are told to."""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, NoReturn

BEGAN: Final = 1_000.0  # seconds: some moment


class Process:
    """One process of the service, or of those around it: steps that are ready, in the order in which they became so.

    A turn is what one iteration of asyncio's loop is: what was ready when it began, in order. What is heard of from
    outside comes between two turns, never within one.
    """

    __slots__ = ("_loop", "alive", "context", "name", "ready", "tasks")

    def __init__(self, name: str, loop: "ModelLoop") -> None:
        self.name = name
        self.alive = True
        self.ready: list[Step] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.context = copy_context()
        self.context.run(PROCESS.set, self)
        self._loop = loop

    def __str__(self) -> str:
        return self.name

    def turn(self) -> None:
        """Run what is ready."""
        ready, self.ready = self.ready, []
        for step in ready:
            if step.callback is not None:
                step.context.run(step.callback, *step.args)

    def soon(self, callback: Callable[..., object], *args: Any) -> None:
        """Have something done in this process at its next turn."""
        self._loop.call_soon(callback, *args, context=self.context)

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin a task of this process."""
        return self._loop.create_task(coroutine, context=self.context.copy())

    def crash(self) -> None:
        """Do nothing any more."""
        self.alive = False
        self.ready.clear()


PROCESS: ContextVar[Process] = ContextVar("process")


class Step:
    """What is to be called, until it is cancelled."""

    __slots__ = ("args", "callback", "context")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context) -> None:
        self.callback: Callable[..., object] | None = callback
        self.args = args
        self.context = context

    def cancel(self) -> None:
        """Do not call it."""
        self.callback = None

    def cancelled(self) -> bool:
        """Whether it is not called."""
        return self.callback is None


class Timer(Step):
    """What is to be called at a moment; of two at the same moment, the one that was set first."""

    __slots__ = ("_number", "_when")

    def __init__(
        self, when: float, number: int, callback: Callable[..., object], args: tuple[Any, ...], context: Context
    ) -> None:
        super().__init__(callback, args, context)
        self._when = when
        self._number = number

    def __lt__(self, other: "Timer") -> bool:
        return (self._when, self._number) < (other._when, other._number)

    def when(self) -> float:
        """The moment."""
        return self._when


class ModelLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as the service's parts use.

    Attributes:
        now: seconds.
        unheard: what was raised, and nobody heard of.
    """

    def __init__(self) -> None:
        self.now = BEGAN
        self.unheard: list[str] = []
        self._timers: list[Timer] = []
        self._set = 0

    def time(self) -> float:
        return self.now

    def next_timer(self) -> float | None:
        """When the next timer is due; None where there is none."""
        while self._timers and not self._alive(self._timers[0]):
            heapq.heappop(self._timers)
        return self._timers[0].when() if self._timers else None

    def tick(self) -> None:
        """Move time on to the next timer, and make it ready."""
        timer = heapq.heappop(self._timers)
        self.now = max(self.now, timer.when())
        timer.context[PROCESS].ready.append(timer)

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        step = Step(callback, args, copy_context() if context is None else context)
        process = step.context.get(PROCESS)  # none where a world is closed, and with it what its coroutines still hold
        if process is not None and process.alive:
            process.ready.append(step)
        return step

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        self._set += 1
        timer = Timer(when, self._set, callback, args, copy_context() if context is None else context)
        heapq.heappush(self._timers, timer)
        return timer

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # pyright: ignore[reportIncompatibleMethodOverride] - generators are no coroutines any more
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name or "task", context=context)
        (PROCESS.get() if context is None else context[PROCESS]).tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Remember what went wrong."""
        self.unheard.append(f"{context.get('message')}: {context.get('exception')!r}")

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def run_forever(self) -> NoReturn:
        raise NotImplementedError("The explorer says what happens next.")

    def _alive(self, timer: Timer) -> bool:
        return timer.callback is not None and timer.context[PROCESS].alive
