"""A child is replaced whenever it dies, also where its replacement cannot be started at once."""

import asyncio

import pytest

from polling_api.supervisor import child
from polling_api.supervisor.child import Child, Role


async def test_a_child_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "RESTART_MOST", 0.01)
    tries, started = 0, asyncio.Event()

    async def start(_: Child) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OSError(12, "no memory")
        started.set()

    monkeypatch.setattr(Child, "start", start)
    keeping = asyncio.create_task(Child(Role("worker 1", (), {})).keep())
    async with asyncio.timeout(5):
        await started.wait()
    assert not keeping.done()
    keeping.cancel()
