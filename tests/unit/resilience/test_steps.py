"""Coroutines that are stepped where they are made."""

import asyncio
from contextvars import ContextVar, copy_context

from polling_api.resilience.steps import in_a_task, step

name: ContextVar[str] = ContextVar("name")


async def test_what_never_waits_ends_at_once() -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("all")

    rest = step(work(), copy_context())

    assert (rest, done) == (None, ["all"])


async def test_what_waits_goes_on_in_a_task_and_in_its_own_context() -> None:
    waited_for = asyncio.get_running_loop().create_future()
    told: list[object] = []

    async def work() -> None:
        name.set("its own")
        told.append(await waited_for)
        told.append(name.get())

    context = copy_context()
    rest = step(work(), context)
    assert rest is not None
    task = asyncio.get_running_loop().create_task(rest, context=context)
    waited_for.set_result("news")
    await task

    assert told == ["news", "its own"]
    assert name.get("nobody's") == "nobody's"


def test_what_needs_a_task_has_one_after_it_has_asked_for_it() -> None:
    told: list[bool] = []

    async def work() -> None:
        told.append(asyncio.current_task() is not None)
        await in_a_task()
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
        told.append(asyncio.current_task() is not None)

    ended = asyncio.Event()

    def stepped() -> None:
        rest = step(work(), copy_context())
        assert rest is not None
        asyncio.get_running_loop().create_task(rest).add_done_callback(lambda _: ended.set())

    async def run() -> None:
        asyncio.get_running_loop().call_soon(stepped)
        async with asyncio.timeout(10):
            await ended.wait()

    asyncio.run(run())

    assert told == [False, True]


async def test_inside_of_a_task_nothing_has_to_be_waited_for() -> None:
    await in_a_task()

    assert asyncio.current_task() is not None


async def test_what_is_cancelled_cleans_up() -> None:
    cleaned: list[bool] = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cleaned.append(True)

    rest = step(work(), copy_context())
    assert rest is not None
    task = asyncio.create_task(rest)
    await asyncio.sleep(0)

    task.cancel()
    await asyncio.wait([task])

    assert (cleaned, task.cancelled()) == ([True], True)
