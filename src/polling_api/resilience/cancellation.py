"""Ending tasks without breaking what they write."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

LAST_WRITE = 1.0  # seconds for the write that a cancelled task is in the middle of


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Let a write finish although its caller is cancelled.

    Cut off within a commit, a connection is lost, nobody knows what was written, and nobody publishes it.
    Statements
    have a time limit, and so has this.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def stop(tasks: Collection[asyncio.Task[None]], *, within: float) -> None:
    """Wait for tasks, then cancel them, and wait a moment for the writes that they finish first.

    Args:
        tasks: may have ended already.
        within: seconds to wait before they are cancelled.
    """
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=within)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=LAST_WRITE)
