"""Parts that run beside the requests: none ends for good before it is told to."""

import asyncio

import pytest

from polling_api.app import running


async def test_a_part_that_something_within_it_cancelled_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "RESTART_AFTER", 0.0)
    began, again = 0, asyncio.Event()

    async def part() -> None:
        nonlocal began
        began += 1
        if began == 1:
            waited_for = asyncio.get_running_loop().create_future()
            waited_for.cancel()
            await waited_for
        again.set()
        await asyncio.Event().wait()

    tasks = running.start([part])
    async with asyncio.timeout(5):
        await again.wait()
    await running.end(tasks)

    assert began == 2
    assert [task.cancelled() for task in tasks] == [True]
