"""Parts that run beside the requests: none ends for good before it is told to."""

import asyncio

from in_process.clocks import Clock
from polling_api import metrics
from polling_api.app import running
from polling_api.app.restarts import Restarts


async def test_a_part_that_something_within_it_cancelled_is_started_again() -> None:
    restarts = Restarts()
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

    tasks = running.start([part], restarts, restart_after=0.0)
    async with asyncio.timeout(5):
        await again.wait()
    await running.end(tasks)

    assert began == 2
    [warning] = restarts.warnings()
    assert "part" in warning
    assert [task.cancelled() for task in tasks] == [True]


def test_what_was_started_again_is_told_for_a_while_and_counted_for_ever() -> None:
    clock = Clock()
    restarts, before = Restarts(clock, told_for=60), metrics.RESTARTS.labels("Hub.run")._value.get()  # type: ignore[attr-defined]

    assert restarts.warnings() == []
    restarts.note("Hub.run")
    restarts.note("Hub.run")
    clock.now += 59
    assert restarts.warnings() == ["Hub.run failed 59 s ago, and was started again (see the log)"]
    clock.now += 1

    assert restarts.warnings() == []
    assert metrics.RESTARTS.labels("Hub.run")._value.get() == before + 2  # type: ignore[attr-defined]
