"""Waiting for what cannot tell by itself that it has happened."""

import asyncio
from collections.abc import Awaitable, Callable

LOOK_EVERY = 0.01  # seconds


async def eventually(condition: Callable[[], bool], within: float = 20.0) -> float:
    """Look until `condition` holds.

    Returns:
        The seconds it took.

    Raises:
        TimeoutError: it did not hold within so many seconds.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - what is outside sets no event
            await asyncio.sleep(LOOK_EVERY)
    return loop.time() - began


async def comes_true(ask: Callable[[], Awaitable[bool]], within: float = 20.0) -> None:
    """Ask, as `eventually` looks, where one has to wait for each answer.

    Raises:
        TimeoutError: it was not true within so many seconds.
    """
    async with asyncio.timeout(within):
        while not await ask():  # noqa: ASYNC110 - as above
            await asyncio.sleep(LOOK_EVERY)
