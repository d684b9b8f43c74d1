"""Parts that run side by side: when one ends, whyever, none goes on without it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from polling_api.resilience.together import Ended, run_together, until_over

Running = Callable[[], Coroutine[Any, Any, None]]


class Part:
    """Runs until it is cancelled, and says so."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled = False

    async def run(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def failing() -> None:
    raise ConnectionError("lost")


async def ending() -> None:
    pass


async def cancelled_within() -> None:
    waited_for = asyncio.get_running_loop().create_future()
    waited_for.cancel()
    await waited_for


@pytest.mark.parametrize(("part", "error"), [(failing, ConnectionError), (ending, Ended), (cancelled_within, Ended)])
async def test_all_end_with_the_first_that_does(
    part: Callable[[], Coroutine[Any, Any, None]], error: type[Exception]
) -> None:
    other = Part()

    with pytest.raises(error):
        async with asyncio.timeout(5):
            await run_together(other.run(), part())

    assert other.cancelled


async def test_none_outlives_a_call_that_is_cancelled() -> None:
    parts = [Part(), Part()]
    running = asyncio.create_task(run_together(*(part.run() for part in parts)))
    for part in parts:
        await part.begun.wait()

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert [part.cancelled for part in parts] == [True, True]


@pytest.mark.parametrize("part", [failing, ending, cancelled_within])
async def test_a_part_that_ends_is_found_among_those_that_are_to_run_until_they_are_stopped(part: Running) -> None:
    other, one = asyncio.create_task(Part().run()), asyncio.create_task(part())

    async with asyncio.timeout(5):
        ended = await until_over(asyncio.Event(), [other, one])

    assert ended == [one]
    other.cancel()
    await asyncio.gather(other, one, return_exceptions=True)


async def test_none_has_ended_wrongly_where_all_are_to_be_stopped() -> None:
    stopping, one = asyncio.Event(), asyncio.create_task(Part().run())
    waiting = asyncio.create_task(until_over(stopping, [one]))

    stopping.set()

    async with asyncio.timeout(5):
        assert await waiting == []
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
