"""A caller's cancel, whenever it comes, whatever the provider says to it, and whoever dies over it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job, Progress, Status
from polling_api.monitor import BatchMonitor
from polling_api.providers.openai import OpenAIBatches
from polling_api.providers.protocol import Submission
from polling_api.store import endings, jobs

Submit = Callable[..., Awaitable[str]]
Monitoring = Callable[..., AbstractAsyncContextManager[BatchMonitor]]
Sql = Callable[..., Awaitable[Any]]
Cancel = Callable[[str], Awaitable[Job]]

RUNNING = "in_progress 600s @50%, succeeded @100%"
ENDING = "in_progress 0.3s @50%, succeeded @100% fail=1"
POINTS = [
    "claimed",
    "submission saved",
    "before create",
    "created",
    "batch remembered",
    "observed",
    "saved",
    "published",
]
POINTS_OF_THE_END = [*POINTS, "results chunk stored", "before settle"]
LEFT_UPSTREAM = {"cancelling", "cancelled", "completed"}


@pytest.fixture
def cancel(engine: AsyncEngine, news: Any) -> Cancel:
    """Cancel a job as the service does: what was committed is published."""

    async def ask(job_id: str) -> Job:
        job = await endings.cancel(engine, job_id, results_keep=3600)
        assert job
        await news.publish([job])
        return job

    return ask


def at_the_first(point: str, action: Callable[[], Awaitable[Any]]) -> Callable[[str], Awaitable[None]]:
    """Do something once, when a monitor first comes to a point."""
    actions = [action]

    async def at(passed: str) -> None:
        if passed == point and actions:
            await actions.pop()()

    return at


async def versions(sql: Sql, job_id: str) -> list[int]:
    return await sql("SELECT json_agg(version ORDER BY version) FROM transitions WHERE job_id = :id", id=job_id)


async def test_a_queued_job_that_is_cancelled_never_goes_upstream(
    submit: Submit, cancel: Cancel, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    job_id = await submit(RUNNING)

    job = await cancel(job_id)
    async with monitoring():
        await news.ended(await submit("in_progress 0.1s, succeeded @100%"))

    assert (job.status, job.progress) == (Status.CANCELLED, Progress(total=4, cancelled=4))
    assert news.statuses(job_id) == ["cancelled"]
    assert await simulator.batches_of(job_id) == 0


async def test_a_running_job_that_is_cancelled_keeps_what_is_done(
    submit: Submit, cancel: Cancel, monitoring: Monitoring, news: Any, simulator: Any, sql: Sql
) -> None:
    job_id = await submit(RUNNING)

    async with monitoring():
        await news.reached(Status.IN_PROGRESS, job_id)
        asked = await cancel(job_id)
        [job] = await news.ended(job_id)

    assert asked.status is Status.CANCELLING
    assert (job.status, job.progress) == (Status.CANCELLED, Progress(total=4, completed=2, cancelled=2))
    assert await simulator.statuses(job_id) == ["cancelled"]
    assert await versions(sql, job_id) == list(range(1, job.version + 1))


@pytest.mark.parametrize("point", POINTS)
async def test_a_cancel_at_any_point_ends_the_job_and_leaves_no_batch_running(
    submit: Submit,
    cancel: Cancel,
    monitoring: Monitoring,
    news: Any,
    simulator: Any,
    sql: Sql,
    point: str,
) -> None:
    job_id = await submit(RUNNING)

    async with monitoring(lease=60, at=at_the_first(point, lambda: cancel(job_id))):
        [job] = await news.ended(job_id)

    assert job.status is Status.CANCELLED
    assert job.progress.done == 4
    assert set(await simulator.statuses(job_id)) <= LEFT_UPSTREAM
    assert await simulator.batches_of(job_id) <= 1
    assert await versions(sql, job_id) == list(range(1, job.version + 1))


@pytest.mark.parametrize("point", POINTS_OF_THE_END)
async def test_a_cancel_that_races_with_the_end_leaves_the_job_ended_one_way_or_the_other(
    engine: AsyncEngine,
    submit: Submit,
    cancel: Cancel,
    monitoring: Monitoring,
    news: Any,
    sql: Sql,
    point: str,
) -> None:
    job_id = await submit("succeeded @100% fail=1")

    async with monitoring(lease=60, at=at_the_first(point, lambda: cancel(job_id))):
        [job] = await news.ended(job_id)
        again = await endings.cancel(engine, job_id, results_keep=3600)

    assert (job.status, job.progress) in [
        (Status.SUCCEEDED, Progress(total=4, completed=3, failed=1)),
        (Status.CANCELLED, Progress(total=4, cancelled=4)),
    ]
    assert again == (await jobs.read(engine, [job_id]))[job_id] == job
    assert await versions(sql, job_id) == list(range(1, job.version + 1))


async def test_a_job_that_is_cancelled_while_its_results_are_fetched_has_them_all(
    submit: Submit, cancel: Cancel, monitoring: Monitoring, news: Any
) -> None:
    job_id = await submit(ENDING)

    async with monitoring(at=at_the_first("results chunk stored", lambda: cancel(job_id)), lease=60):
        [job] = await news.ended(job_id)

    assert news.statuses(job_id) == ["submitting", "in_progress", "finalizing", "cancelling", "succeeded"]
    assert job.progress == Progress(total=4, completed=3, failed=1)


async def test_a_cancel_asked_for_many_times_makes_one_version_and_one_end(
    submit: Submit, cancel: Cancel, monitoring: Monitoring, news: Any, simulator: Any, sql: Sql
) -> None:
    job_id = await submit(RUNNING)

    async with monitoring():
        await news.reached(Status.IN_PROGRESS, job_id)
        asked = await asyncio.gather(*(cancel(job_id) for _ in range(10)))
        [job] = await news.ended(job_id)

    assert (job.status, job.version) == (Status.CANCELLED, 5)
    assert {one.version for one in asked} <= {4, 5}
    assert await versions(sql, job_id) == [1, 2, 3, 4, 5]
    assert await simulator.batches_of(job_id) == 1


async def test_a_cancel_that_a_look_under_way_does_not_know_of_waits_for_no_interval(
    submit: Submit, cancel: Cancel, monitoring: Monitoring, news: Any, sql: Sql
) -> None:
    job_id = await submit(RUNNING)
    async with monitoring():
        await news.reached(Status.IN_PROGRESS, job_id)
    await sql("UPDATE jobs SET due_at = now()")

    async with monitoring(interval=600, lease=600, at=at_the_first("observed", lambda: cancel(job_id))):
        [job] = await news.ended(job_id, within=10)

    assert job.status is Status.CANCELLED


async def test_a_batch_that_arrives_late_is_found_although_the_job_was_cancelled_meanwhile(
    submit: Submit, cancel: Cancel, monitoring: Monitoring, news: Any, simulator: Any, provider: OpenAIBatches
) -> None:
    await simulator.order(kind="drop", method="POST", path="/v1/batches", exact=True)
    job_id = await submit(RUNNING, items=1)
    on_its_way: list[asyncio.Task[Any]] = []

    async def one_line() -> AsyncIterator[bytes]:
        yield b'{"custom_id":"item-0","method":"POST","url":"/v1/chat/completions","body":{"model":"small"}}'

    async def arrive_late() -> None:
        await asyncio.sleep(1)  # what the network took for the request whose connection is lost
        await provider.submit(Submission(job_id, "/v1/chat/completions", one_line, RUNNING))

    async def cancel_and_send() -> None:
        await cancel(job_id)
        on_its_way.append(asyncio.create_task(arrive_late()))

    async with monitoring(lease=60, at=at_the_first("before create", cancel_and_send)):
        [job] = await news.ended(job_id)
    await asyncio.gather(*on_its_way)

    assert job.status is Status.CANCELLED
    assert await simulator.statuses(job_id) == ["cancelled"]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "server_error", "value": 400.0},
        {"kind": "server_error", "value": 409.0},
        {"kind": "rate_limit", "value": 0.1},
        {"kind": "garbage"},
        {"kind": "regress"},
        {"kind": "drop"},
    ],
    ids=str,
)
async def test_a_provider_that_refuses_at_first_is_asked_again(
    submit: Submit, cancel: Cancel, monitoring: Monitoring, news: Any, simulator: Any, fault: dict[str, Any]
) -> None:
    job_id = await submit(RUNNING)

    async with monitoring():
        await news.reached(Status.IN_PROGRESS, job_id)
        await simulator.order(**fault, count=4, method="POST", path="/v1/batches/")
        await cancel(job_id)
        [job] = await news.ended(job_id)

    assert job.status is Status.CANCELLED
    assert news.statuses(job_id) == ["submitting", "in_progress", "cancelling", "cancelled"]


async def test_a_batch_that_the_provider_will_not_cancel_runs_to_its_end(
    submit: Submit, cancel: Cancel, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    job_id = await submit("in_progress 1.5s @50%, succeeded @100%")

    async with monitoring():
        await news.reached(Status.IN_PROGRESS, job_id)
        await simulator.order(kind="server_error", value=400.0, count=1000, method="POST", path="/v1/batches/")
        await cancel(job_id)
        [job] = await news.ended(job_id)

    assert (job.status, job.progress) == (Status.SUCCEEDED, Progress(total=4, completed=4))
    assert news.statuses(job_id) == ["submitting", "in_progress", "cancelling", "succeeded"]


@pytest.mark.parametrize("point", ["claimed", "observed", "results chunk stored", "before settle"])
async def test_a_cancel_whose_monitor_breaks_off_is_done_by_the_next(
    submit: Submit, cancel: Cancel, monitoring: Monitoring, news: Any, simulator: Any, point: str
) -> None:
    job_id = await submit(RUNNING)
    broken = asyncio.Event()

    async def break_off() -> None:
        broken.set()
        raise ZeroDivisionError

    async with monitoring():
        await news.reached(Status.IN_PROGRESS, job_id)
    await cancel(job_id)
    async with monitoring(lease=0.5, at=at_the_first(point, break_off)):
        await broken.wait()
        [job] = await news.ended(job_id)

    assert (job.status, job.progress) == (Status.CANCELLED, Progress(total=4, completed=2, cancelled=2))
    assert await simulator.statuses(job_id) == ["cancelled"]


async def test_two_monitors_and_many_cancels_leave_every_job_ended(
    engine: AsyncEngine, submit: Submit, cancel: Cancel, monitoring: Monitoring, news: Any, simulator: Any, sql: Sql
) -> None:
    ids = [await submit("in_progress 0.4s @50%, succeeded @100%", items=2) for _ in range(40)]

    async with monitoring(), monitoring():
        for job_id in ids:
            await cancel(job_id)
        await news.ended(*ids)

    stored = await jobs.read(engine, ids)
    assert {job.status for job in stored.values()} <= {Status.CANCELLED, Status.SUCCEEDED}
    assert {job.progress.done for job in stored.values()} == {2}
    gaps = "SELECT count(*) FROM jobs j WHERE j.version <> (SELECT count(*) FROM transitions t WHERE t.job_id = j.id)"
    assert await sql(gaps) == 0
    assert all([set(await simulator.statuses(job_id)) <= LEFT_UPSTREAM for job_id in ids])
