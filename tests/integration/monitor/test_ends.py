"""The other ends of a job: cancelled, expired, failed, lost."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.stored_results import items_of
from polling_api.domain.job import Outcome, Progress, Status
from polling_api.monitor import BatchMonitor

Submit = Callable[..., Awaitable[str]]
Monitoring = Callable[..., AbstractAsyncContextManager[BatchMonitor]]
Sql = Callable[..., Awaitable[Any]]

RUNNING = "in_progress 600s @50%, succeeded @100%"
ASK_TO_CANCEL = "UPDATE jobs SET cancel_requested_at = now(), due_at = now() WHERE id = :id"


async def test_a_batch_that_expired_upstream_expires_the_items_without_an_outcome(
    engine: AsyncEngine, submit: Submit, monitoring: Monitoring, news: Any
) -> None:
    job_id = await submit("in_progress 0.2s @50%, expired", items=8)

    async with monitoring():
        [job] = await news.ended(job_id)

    assert job.status is Status.EXPIRED
    assert job.progress == Progress(total=8, completed=4, expired=4)
    stored = await items_of(engine, job)
    assert [item.outcome for item in stored].count(Outcome.EXPIRED) == 4


async def test_a_batch_that_failed_upstream_fails_the_job_and_says_why(
    submit: Submit, monitoring: Monitoring, news: Any
) -> None:
    job_id = await submit("in_progress 0.2s, failed")

    async with monitoring():
        [job] = await news.ended(job_id)

    assert job.status is Status.FAILED
    assert job.progress == Progress(total=4, failed=4)
    assert job.error
    assert job.error.message


async def test_a_batch_cancelled_at_the_provider_ends_as_cancelled(
    submit: Submit, monitoring: Monitoring, news: Any
) -> None:
    job_id = await submit("in_progress 0.2s @50%, cancelling 0.3s, cancelled")

    async with monitoring():
        [job] = await news.ended(job_id)

    assert job.status is Status.CANCELLED
    assert job.progress == Progress(total=4, completed=2, cancelled=2)


async def test_what_the_provider_refuses_for_good_fails_with_its_reason(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    job_id = await submit(endpoint="/v1/no/such/endpoint")

    async with monitoring():
        [job] = await news.ended(job_id)

    assert job.status is Status.FAILED
    assert job.error
    assert "/v1/chat/completions" in job.error.message
    assert job.progress == Progress(total=4, failed=4)
    assert await simulator.batches_of(job_id) == 0


async def test_a_cancel_that_was_asked_for_goes_upstream_and_is_confirmed(
    submit: Submit, monitoring: Monitoring, news: Any, sql: Sql
) -> None:
    job_id = await submit(RUNNING)

    async with monitoring():
        await news.reached(Status.IN_PROGRESS, job_id)
        await sql(ASK_TO_CANCEL, id=job_id)
        [job] = await news.ended(job_id)

    assert news.statuses(job_id) == ["submitting", "in_progress", "cancelling", "cancelled"]
    assert job.progress == Progress(total=4, completed=2, cancelled=2)


async def test_a_cancel_asked_for_in_the_queue_ends_the_job_without_a_batch(
    submit: Submit, monitoring: Monitoring, news: Any, sql: Sql, simulator: Any
) -> None:
    job_id = await submit(RUNNING)
    await sql(ASK_TO_CANCEL, id=job_id)

    async with monitoring():
        [job] = await news.ended(job_id)

    assert news.statuses(job_id) == ["cancelled"]
    assert job.progress == Progress(total=4, cancelled=4)
    assert await simulator.batches_of(job_id) == 0


@pytest.mark.parametrize(
    ("wish", "end"),
    [("cancel_requested_at = now()", Status.CANCELLED), ("deadline_at = now(), expires_at = now()", Status.EXPIRED)],
)
async def test_a_job_that_is_not_wanted_any_more_and_has_no_batch_upstream_gets_none(
    submit: Submit, monitoring: Monitoring, news: Any, sql: Sql, simulator: Any, wish: str, end: Status
) -> None:
    job_id = await submit(RUNNING)
    await sql(f"UPDATE jobs SET status = 'submitting', {wish} WHERE id = :id", id=job_id)  # noqa: S608

    async with monitoring():
        [job] = await news.ended(job_id)

    assert job.status is end
    assert await simulator.batches_of(job_id) == 0


async def test_a_job_whose_own_deadline_passes_is_cancelled_upstream_and_expires_with_what_is_done(
    submit: Submit, monitoring: Monitoring, news: Any
) -> None:
    job_id = await submit(RUNNING, expires_in=1)

    async with monitoring():
        [job] = await news.ended(job_id)

    assert news.statuses(job_id) == ["submitting", "in_progress", "finalizing", "expired"]
    assert job.progress == Progress(total=4, completed=2, expired=2)


async def test_a_provider_that_never_confirms_does_not_keep_a_job_past_its_deadline_for_ever(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    job_id = await submit(RUNNING, expires_in=1)

    async with monitoring(grace_after_deadline=1):
        await news.reached(Status.IN_PROGRESS, job_id)
        await simulator.order(kind="server_error", count=1000)
        [job] = await news.ended(job_id)

    assert job.status is Status.EXPIRED
    assert job.progress == Progress(total=4, expired=4)


async def test_a_batch_that_the_provider_does_not_know_three_times_in_a_row_is_lost(
    submit: Submit, monitoring: Monitoring, news: Any, sql: Sql
) -> None:
    job_id = await submit(RUNNING)
    await sql("UPDATE jobs SET status = 'in_progress', upstream_id = 'batch_none' WHERE id = :id", id=job_id)

    async with monitoring():
        [job] = await news.ended(job_id)

    assert job.status is Status.FAILED
    assert job.error
    assert job.error.code == "upstream_lost"
    assert job.progress == Progress(total=4, failed=4)


async def test_a_cancel_that_comes_between_the_results_and_the_end_is_not_lost(
    submit: Submit, monitoring: Monitoring, news: Any, sql: Sql
) -> None:
    job_id = await submit("in_progress 0.2s @50%, succeeded @100%")
    cancel = (
        "UPDATE jobs SET version = version + 1, status_version = version + 1, status = 'cancelling',"
        " updated_at = clock_timestamp(), cancel_requested_at = now() WHERE id = :id"
    )
    cancels = [cancel]

    async def at(point: str) -> None:
        if point == "before settle" and cancels:
            await sql(cancels.pop(), id=job_id)

    async with monitoring(at=at, lease=60):
        [job] = await news.ended(job_id, within=10)

    assert job.status is Status.SUCCEEDED
    assert job.version == 6
    assert job.progress == Progress(total=4, completed=4)
