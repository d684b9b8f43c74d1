"""Coroutines that are stepped where they are made, and become a task only if they have to wait.

Most of those that answer what is in memory never wait, and a task takes as long as half of what they do: it is put on
the event loop's list, and so is the news of its end.
"""

import asyncio
import types
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any, Final, cast


class _Done:
    """What was done where it was asked for: whoever awaits it goes on."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        return cast("Any", iter(()))


# In place of a coroutine that would end without waiting: it costs nothing to make, and can be told from one.
DONE: Final = _Done()


def step(coroutine: Coroutine[Any, Any, None], context: Context) -> Coroutine[Any, Any, None] | None:
    """Run a coroutine until it would wait.

    Until then there is no current task. What needs one, as a bound on time does, comes after `await in_a_task()`.

    Args:
        coroutine: one that nobody has begun.
        context: in which it runs, here and later.

    Returns:
        The rest of it, for a task with the same context; None where it has ended.
    """
    try:
        blocked_on = context.run(coroutine.send, None)
    except StopIteration:
        return None
    return _rest(coroutine, blocked_on)


@types.coroutine
def in_a_task() -> Generator[None, None, None]:
    """Go on inside of a task: at once, or as soon as the rest of what was stepped has become one."""
    if asyncio.current_task() is None:
        yield


async def _rest(coroutine: Coroutine[Any, Any, None], blocked_on: Any) -> None:
    await _resumed(coroutine, blocked_on)


@types.coroutine
def _resumed(coroutine: Coroutine[Any, Any, None], blocked_on: Any) -> Generator[Any, Any, None]:
    while True:
        try:
            result = yield blocked_on
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the coroutine's to handle
            resume, argument = coroutine.throw, error
        else:
            resume, argument = coroutine.send, result
        try:
            blocked_on = resume(argument)
        except StopIteration:
            return
