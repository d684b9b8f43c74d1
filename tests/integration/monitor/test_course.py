"""A job's way from the queue to its end, with a provider that behaves."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.stored_results import items_of
from polling_api.domain.job import Job, Outcome, Progress, Status
from polling_api.monitor import BatchMonitor
from polling_api.store import jobs, leases, results

Submit = Callable[..., Awaitable[str]]
Monitoring = Callable[..., AbstractAsyncContextManager[BatchMonitor]]
Sql = Callable[..., Awaitable[Any]]

QUICK = "in_progress 0.3s @50%, succeeded @100%"


async def test_a_job_is_submitted_observed_and_ended(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    job_id = await submit(QUICK)

    async with monitoring():
        [job] = await news.ended(job_id)

    assert news.statuses(job_id) == ["submitting", "in_progress", "finalizing", "succeeded"]
    assert job.progress == Progress(total=4, completed=4)
    assert job.error is None
    assert await simulator.batches_of(job_id) == 1


async def test_every_result_is_stored_in_its_place(
    engine: AsyncEngine, submit: Submit, monitoring: Monitoring, news: Any
) -> None:
    job_id = await submit("in_progress 0.1s @50%, succeeded @100% fail=1", items=3)

    async with monitoring():
        [job] = await news.ended(job_id)

    stored = await items_of(engine, job)
    assert [item.custom_id for item in stored] == ["item-0", "item-1", "item-2"]
    assert sorted(item.outcome for item in stored) == [Outcome.COMPLETED, Outcome.COMPLETED, Outcome.FAILED]
    assert job.progress == Progress(total=3, completed=2, failed=1)


async def test_results_are_stored_in_chunks_of_a_thousand(
    engine: AsyncEngine, submit: Submit, monitoring: Monitoring, news: Any
) -> None:
    job_id = await submit("in_progress 0.1s, succeeded @100%", items=2500)
    passed: list[str] = []

    async def at(point: str) -> None:
        passed.append(point)

    async with monitoring(at=at):
        [job] = await news.ended(job_id)

    assert job.progress == Progress(total=2500, completed=2500)
    assert sum((await results.tally(engine, job_id)).values()) == 2500
    assert passed.count("results chunk stored") == 3


async def test_versions_are_published_after_their_commit_in_order_and_without_gaps(
    engine: AsyncEngine, submit: Submit, monitoring: Monitoring, news: Any, sql: Sql
) -> None:
    job_id = await submit("queued 0.3s, in_progress 1.3s @25%, in_progress 1.2s @75%, succeeded @100%")
    behind: list[Job] = []

    async def publish(published: Sequence[Job], seen_at: float) -> None:
        committed = await jobs.read(engine, [job.id for job in published])
        behind.extend(job for job in published if committed[job.id].version < job.version)
        await news.publish(published, seen_at)

    async with monitoring(publish=publish):
        [job] = await news.ended(job_id)

    assert behind == []
    assert [published.version for published in news.versions[job_id]] == list(range(2, job.version + 1))
    assert await sql("SELECT count(*) FROM transitions WHERE job_id = :id", id=job_id) == job.version


async def test_a_job_that_runs_says_when_asking_again_is_worth_it(
    submit: Submit, monitoring: Monitoring, news: Any
) -> None:
    job_id = await submit("in_progress 60s @50%, succeeded @100%")

    async with monitoring(interval=7):
        [job] = await news.reached(Status.IN_PROGRESS, job_id)

    assert job.poll_after == 7


class WaitedFor(asyncio.Event):
    """An event that says when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_for = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.waited_for.set()
        return await super().wait()


async def test_a_new_job_does_not_wait_for_the_monitors_clock(
    submit: Submit, monitoring: Monitoring, news: Any, sql: Sql
) -> None:
    wake = WaitedFor()
    await submit("in_progress 60s, succeeded")
    await sql("UPDATE jobs SET due_at = now() + interval '100 s'")

    async with monitoring(wake=wake, longest_rest=100):
        await wake.waited_for.wait()
        began = asyncio.get_running_loop().time()
        job_id = await submit(QUICK)
        wake.set()
        await news.reached(Status.SUBMITTING, job_id)

    assert asyncio.get_running_loop().time() - began < 25


async def test_a_monitor_that_stops_gives_every_lease_back_at_once(
    engine: AsyncEngine, submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    waiting = [await submit("in_progress 60s, succeeded") for _ in range(20)]
    await simulator.order(kind="latency", value=30.0, count=100)

    async with monitoring(concurrency=2):
        await news.reached(Status.SUBMITTING, *waiting[:2])
        began = asyncio.get_running_loop().time()

    assert asyncio.get_running_loop().time() - began < 10  # as long as a container is given to end
    free = await leases.claim(engine, owner=uuid4().hex, limit=100, lease=30)
    assert len(free) >= 18
    assert not any(one.taken_over for one in free)


async def test_a_submission_cut_off_by_the_stop_is_left_alone_until_it_must_have_arrived(
    engine: AsyncEngine, submit: Submit, monitoring: Monitoring, simulator: Any, sql: Sql
) -> None:
    job_id = await submit("in_progress 60s, succeeded")
    await simulator.order(kind="latency", value=30.0, method="POST", path="/v1/batches")
    under_way = asyncio.Event()

    async def at(point: str) -> None:
        if point == "before create":
            under_way.set()

    async with monitoring(at=at):
        await under_way.wait()

    assert await sql("SELECT lease_owner FROM jobs WHERE id = :id", id=job_id) is None
    assert await sql("SELECT extract(epoch FROM due_at - now()) FROM jobs WHERE id = :id", id=job_id) > 3
    assert await leases.claim(engine, owner=uuid4().hex, limit=100, lease=30) == []


async def test_a_dead_monitors_jobs_are_published_again(
    engine: AsyncEngine, submit: Submit, monitoring: Monitoring, news: Any, sql: Sql
) -> None:
    job_id = await submit("in_progress 60s, succeeded")
    await leases.claim(engine, owner="dead", limit=10, lease=0.01)
    await sql("UPDATE jobs SET due_at = now() - interval '1 s'")

    async with monitoring():
        await news.reached(Status.IN_PROGRESS, job_id)

    assert news.versions[job_id][0].version == 1


@pytest.mark.parametrize("point", ["claimed", "observed", "saved", "published"])
async def test_a_mistake_in_one_sweep_does_not_end_the_monitor(
    submit: Submit, monitoring: Monitoring, news: Any, point: str
) -> None:
    mistakes = [RuntimeError("a mistake")]

    async def at(passed: str) -> None:
        if passed == point and mistakes:
            raise mistakes.pop()

    job_id = await submit(QUICK)

    async with monitoring(at=at, lease=0.5):
        [job] = await news.ended(job_id)

    assert job.status is Status.SUCCEEDED
    assert not mistakes


async def test_a_publisher_is_not_asked_for_jobs_that_did_not_change(
    submit: Submit, monitoring: Monitoring, news: Any
) -> None:
    looks = asyncio.Event()
    seen: list[str] = []

    async def at(point: str) -> None:
        seen.append(point)
        if seen.count("observed") >= 3:
            looks.set()

    job_id = await submit("in_progress 60s @50%, succeeded")

    async with monitoring(at=at):
        await looks.wait()

    assert [job.status.value for job in news.versions[job_id]] == ["submitting", "in_progress"]


async def test_a_monitor_looks_as_often_as_it_was_told_although_it_rests_for_longer(
    submit: Submit, monitoring: Monitoring
) -> None:
    seen: list[str] = []
    often = asyncio.Event()

    async def at(point: str) -> None:
        seen.append(point)
        if seen.count("observed") >= 10:
            often.set()

    await submit("in_progress 60s @50%, succeeded")

    async with monitoring(at=at, interval=0.1, longest_rest=10):
        await asyncio.wait_for(often.wait(), timeout=40)  # with its whole rest after each look: over 90
