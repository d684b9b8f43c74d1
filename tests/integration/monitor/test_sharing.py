"""Many jobs, and many monitors."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.waking import CancelledWake
from polling_api.domain.job import Status
from polling_api.monitor import BatchMonitor
from polling_api.providers.openai import OpenAIBatches
from polling_api.resilience.together import Ended

Submit = Callable[..., Awaitable[str]]
Monitoring = Callable[..., AbstractAsyncContextManager[BatchMonitor]]
Sql = Callable[..., Awaitable[Any]]


@pytest.fixture
async def statements(engine: AsyncEngine) -> AsyncIterator[list[str]]:
    """What is asked of Postgres from now on."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine.sync_engine, "before_cursor_execute", note)


async def test_two_monitors_do_no_work_twice_and_leave_none(
    submit: Submit, monitoring: Monitoring, news: Any, sql: Sql, simulator: Any
) -> None:
    ids = [await submit("in_progress 0.5s @50%, succeeded @100%", items=2) for _ in range(100)]

    async with monitoring(), monitoring():
        ended = await news.ended(*ids, within=90)

    assert {job.status for job in ended} == {Status.SUCCEEDED}
    assert dict.fromkeys(ids, 1).items() <= (await simulator.batches()).items()
    gaps = "SELECT count(*) FROM jobs j WHERE j.version <> (SELECT count(*) FROM transitions t WHERE t.job_id = j.id)"
    assert await sql(gaps) == 0
    assert await sql("SELECT count(*) FROM jobs WHERE lease_owner IS NOT NULL") == 0


async def test_a_look_at_many_jobs_takes_a_handful_of_statements_and_calls(
    submit: Submit, monitoring: Monitoring, news: Any, sql: Sql, simulator: Any, statements: list[str]
) -> None:
    ids = [await submit("in_progress 600s @50%, succeeded", items=1) for _ in range(60)]
    async with monitoring(interval=60):
        await news.reached(Status.IN_PROGRESS, *ids, within=60)
    await sql("UPDATE jobs SET due_at = now()")
    await simulator.forget()
    statements.clear()
    looked = asyncio.Event()

    async def at(point: str) -> None:
        if point == "observed":
            looked.set()

    async with monitoring(interval=60, at=at):
        await looked.wait()

    assert len(statements) <= 6
    assert sum((await simulator.calls()).values()) <= 3


async def test_new_jobs_beyond_what_can_be_handed_over_at_once_keep_no_old_ones_waiting(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any, sql: Sql
) -> None:
    old = await submit("in_progress 1.5s @50%, succeeded @100%")

    async with monitoring(concurrency=1):
        await news.reached(Status.IN_PROGRESS, old)
        await simulator.order(kind="latency", value=20.0, count=100, method="POST")
        for _ in range(30):
            await submit("in_progress 60s, succeeded")
        [job] = await news.ended(old)

    assert job.status is Status.SUCCEEDED
    assert await sql("SELECT count(*) FROM jobs WHERE status = 'queued'") >= 20


async def test_a_job_of_another_provider_is_left_alone(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any, sql: Sql
) -> None:
    foreign = await submit("in_progress 0.1s, succeeded", provider="openai")
    running = await submit("in_progress 0.1s, succeeded", provider="openai")
    await sql("UPDATE jobs SET status = 'in_progress', upstream_id = 'batch_theirs' WHERE id = :id", id=running)

    async with monitoring():
        for _ in range(3):
            await news.ended(await submit("in_progress 0.2s, succeeded"))

    assert foreign not in news.versions
    assert running not in news.versions
    assert foreign not in await simulator.batches()


async def test_a_monitor_that_claims_no_more_gives_its_leases_back_and_says_so(
    engine: AsyncEngine, provider: OpenAIBatches, submit: Submit, news: Any, sql: Sql
) -> None:
    """Or it would renew them for ever, and keep their jobs from everybody else."""
    await submit("in_progress 600s @50%, succeeded")
    monitor = BatchMonitor(
        engine,
        provider,
        news.publish,
        owner="broken",
        interval=60,
        lease=5,
        concurrency=8,
        results_keep=3600,
        submit_within=3600,
        wake=CancelledWake(),
    )

    async with asyncio.timeout(20):
        with pytest.raises(Ended):
            await monitor.run()

    assert await sql("SELECT count(*) FROM jobs WHERE lease_owner IS NOT NULL") == 0
    async with asyncio.timeout(5):
        await monitor.stop()
