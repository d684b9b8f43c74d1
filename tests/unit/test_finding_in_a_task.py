"""What is not in memory is read inside of a task, also where the request began outside of one."""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from polling_api.api.ownership import Ownership
from polling_api.domain.caller import ANYBODY
from polling_api.errors import NotFound
from polling_api.resilience.steps import step

JOB = f"job_{'a' * 32}"


class Unread:
    """Knows no job, and notes in what it was asked for one."""

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None

    def live(self, _: str) -> None:
        return None

    async def get(self, _: str, __: Callable[..., bool]) -> None:
        self.task = asyncio.current_task()


class Nobody:
    """Denied nothing yet."""

    def has(self, *_: object) -> bool:
        return False

    def add(self, *_: object) -> None:
        """Nobody asks again."""


def test_a_stepped_request_reads_in_the_task_that_it_becomes() -> None:
    unread, ended = Unread(), asyncio.Event()
    watch: Any = unread
    absences: Any = Nobody()
    ownership = Ownership(watch, absences, lambda: 0.0)

    async def find() -> None:
        try:
            await ownership.find(ANYBODY, JOB, None, kept=True)
        except NotFound:
            ended.set()

    def stepped() -> None:
        rest = step(find(), copy_context())
        assert rest is not None
        tasks.append(asyncio.get_running_loop().create_task(rest))

    async def run() -> None:
        asyncio.get_running_loop().call_soon(stepped)
        async with asyncio.timeout(10):
            await ended.wait()

    tasks: list[asyncio.Task[None]] = []
    asyncio.run(run())

    assert unread.task is tasks[0]
