"""`expires_in`: a job's own deadline, wherever the job is by then."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.stored_results import items_of
from polling_api.domain.job import Outcome, Progress, Status
from polling_api.monitor import BatchMonitor
from polling_api.store import endings

Submit = Callable[..., Awaitable[str]]
Monitoring = Callable[..., AbstractAsyncContextManager[BatchMonitor]]
Sql = Callable[..., Awaitable[Any]]

RUNNING = "in_progress 600s @50%, succeeded @100%"


async def test_a_job_that_was_never_handed_over_expires_in_the_queue(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    job_id = await submit(RUNNING, expires_in=0.001)

    async with monitoring():
        [job] = await news.ended(job_id)

    assert news.statuses(job_id) == ["expired"]
    assert job.progress == Progress(total=4, expired=4)
    assert await simulator.batches_of(job_id) == 0


async def test_a_job_that_the_provider_does_not_take_expires_at_its_deadline(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    await simulator.order(kind="rate_limit", value=0.2, count=1000, method="POST", path="/v1/files", exact=True)
    job_id = await submit(RUNNING, expires_in=1)

    async with monitoring():
        [job] = await news.ended(job_id)

    assert news.statuses(job_id) == ["submitting", "finalizing", "expired"]
    assert job.progress == Progress(total=4, expired=4)
    assert await simulator.batches_of(job_id) == 0


async def test_at_its_deadline_a_running_job_is_cancelled_upstream_and_keeps_what_is_done(
    engine: AsyncEngine, submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    job_id = await submit("in_progress 600s @75% fail=1, succeeded @100%", expires_in=1)

    async with monitoring():
        [job] = await news.ended(job_id)

    assert news.statuses(job_id) == ["submitting", "in_progress", "finalizing", "expired"]
    assert job.progress == Progress(total=4, completed=2, failed=1, expired=1)
    assert job.error is None
    assert await simulator.statuses(job_id) == ["cancelled"]
    items = await items_of(engine, job)
    assert [item.outcome for item in items].count(Outcome.EXPIRED) == 1


async def test_a_deadline_between_two_looks_is_not_waited_over(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    job_id = await submit(RUNNING, expires_in=2)

    async with monitoring(interval=3600):
        [running] = await news.reached(Status.IN_PROGRESS, job_id)
        [job] = await news.ended(job_id)

    assert running.poll_after <= 2
    assert job.status is Status.EXPIRED
    assert await simulator.statuses(job_id) == ["cancelled"]


async def test_a_download_that_began_before_the_deadline_is_given_up_soon_after_it_and_what_came_is_kept(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    await simulator.order(kind="trickle", method="GET", path="/v1/files/")
    job_id = await submit("in_progress 0.1s @50%, succeeded @100%", expires_in=2)

    async with monitoring(grace_after_deadline=1, lease=60):
        [job] = await news.ended(job_id)

    assert (job.status, job.error and job.error.code) == (Status.EXPIRED, "results_unavailable")
    assert job.progress == Progress(total=4, completed=1, expired=3)
    assert (await simulator.calls())["GET /v1/files/{id}/content"] == 1


async def test_results_that_cannot_be_had_are_waited_for_only_so_long(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    await simulator.order(kind="server_error", count=1000, method="GET", path="/v1/files/")
    job_id = await submit(RUNNING, expires_in=1)

    async with monitoring(grace_after_deadline=1.5):
        [job] = await news.ended(job_id)

    assert job.status is Status.EXPIRED
    assert job.expires_at
    assert job.finished_at
    assert 1.5 <= (job.finished_at - job.expires_at).total_seconds() < 15
    assert job.progress == Progress(total=4, expired=4)


async def test_partial_results_that_were_stored_before_a_download_broke_are_kept(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    await simulator.order(kind="latency", value=0.0, method="GET", path="/v1/files/")  # the output file comes
    await simulator.order(kind="server_error", count=1000, method="GET", path="/v1/files/")  # the error file never
    job_id = await submit("in_progress 600s @50%, succeeded @100%", expires_in=1)

    async with monitoring(grace_after_deadline=5):
        [job] = await news.ended(job_id)

    assert job.status is Status.EXPIRED
    assert job.progress == Progress(total=4, completed=2, expired=2)


async def test_a_provider_that_refuses_to_cancel_does_not_keep_a_job_for_long_after_its_deadline(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    await simulator.order(kind="server_error", value=400.0, count=1000, method="POST", path="/v1/batches/")
    job_id = await submit(RUNNING, expires_in=1)

    async with monitoring(grace_after_deadline=1):
        [job] = await news.ended(job_id)

    assert news.statuses(job_id) == ["submitting", "in_progress", "finalizing", "expired"]
    assert job.progress == Progress(total=4, expired=4)


@pytest.mark.parametrize("point", ["results chunk stored", "before settle"])
async def test_a_caller_who_cancels_after_the_deadline_has_the_job_cancelled(
    engine: AsyncEngine, submit: Submit, monitoring: Monitoring, news: Any, point: str
) -> None:
    job_id = await submit(RUNNING, expires_in=1)
    asked: list[str] = []

    async def at(passed: str) -> None:
        if passed == point and not asked:
            asked.append(point)
            await endings.cancel(engine, job_id, results_keep=60)

    async with monitoring(at=at, lease=60):
        [job] = await news.ended(job_id)

    assert job.status is Status.CANCELLED
    assert job.progress == Progress(total=4, completed=2, cancelled=2)


async def test_a_job_that_ends_before_its_deadline_is_not_touched_by_it(
    submit: Submit, monitoring: Monitoring, news: Any
) -> None:
    job_id = await submit("in_progress 0.2s @50%, succeeded @100%", expires_in=1)
    later = await submit(RUNNING, expires_in=1.5)

    async with monitoring():
        [first] = await news.ended(job_id)
        await news.ended(later)

    assert first.status is Status.SUCCEEDED
    assert news.versions[job_id][-1] == first
