"""Parts that never end by themselves, run side by side: when one ends all the same, none goes on without it."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, NoReturn


class Ended(Exception):
    """A part ended that was to run until it is cancelled."""


async def run_together(*parts: Coroutine[Any, Any, None]) -> NoReturn:
    """Run parts until one of them ends, or all are cancelled; none outlives this call.

    A `TaskGroup` takes a part that something within it has cancelled for one that is done, and goes on without it.

    Raises:
        Exception: what a part raised.
        Ended: a part ended without, or was cancelled by something within it.
    """
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    raise_for(ended)


async def until_over(stopping: asyncio.Event, parts: Collection[asyncio.Task[None]]) -> Collection[asyncio.Task[None]]:
    """Wait until parts that never end by themselves are to be stopped, or one of them has ended all the same.

    Returns:
        Those that have ended, for `raise_for`; none where they are to be stopped.
    """
    told = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([told, *parts], return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
    return [] if stopping.is_set() else [part for part in parts if part.done()]


def raise_for(ended: Collection[asyncio.Task[None]]) -> NoReturn:
    """Say why parts have ended that were to run on.

    Raises:
        Exception: what the first of them raised, that raised something.
        Ended: none did.
    """
    for task in ended:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
    how = "was cancelled by something within it" if any(task.cancelled() for task in ended) else "ended"
    raise Ended(f"A part that runs for ever {how}.")
