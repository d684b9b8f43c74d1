"""A provider that misbehaves, and a database that goes away for a moment."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from polling_api.domain.job import Progress, Status
from polling_api.monitor import BatchMonitor
from polling_api.providers.openai import OpenAIBatches
from polling_api.providers.protocol import Submission

Submit = Callable[..., Awaitable[str]]
Monitoring = Callable[..., AbstractAsyncContextManager[BatchMonitor]]
Sql = Callable[..., Awaitable[Any]]

QUICK = "in_progress 0.3s @50%, succeeded @100%"
RUNNING = "in_progress 600s @50%, succeeded @100%"


async def test_submissions_without_an_answer_make_no_second_batch(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    for kind in ("drop_after", "drop", "server_error", "garbage"):
        await simulator.order(kind=kind, method="POST", path="/v1/batches", exact=True)
    ids = [await submit(QUICK) for _ in range(4)]

    async with monitoring():
        ended = await news.ended(*ids)

    assert {job.status for job in ended} == {Status.SUCCEEDED}
    assert [await simulator.batches_of(job_id) for job_id in ids] == [1, 1, 1, 1]


async def test_a_provider_that_says_when_to_come_back_is_asked_then(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    await simulator.order(kind="rate_limit", value=2.0, method="POST", path="/v1/batches", exact=True)
    job_id = await submit(QUICK)

    async with monitoring():
        [job] = await news.ended(job_id)

    submitting, in_progress = news.versions[job_id][:2]
    assert 2 <= (in_progress.updated_at - submitting.updated_at).total_seconds() < 15
    assert job.status is Status.SUCCEEDED
    assert await simulator.batches_of(job_id) == 1


async def test_a_job_that_the_provider_could_not_take_in_time_has_failed(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    await simulator.order(kind="server_error", count=1000, method="POST")
    job_id = await submit(QUICK)

    async with monitoring(submit_within=0):
        [job] = await news.ended(job_id)

    assert job.status is Status.FAILED
    assert job.error
    assert job.error.code == "upstream_unavailable"


async def test_a_batch_is_never_made_while_it_cannot_be_said_whether_there_is_one(
    submit: Submit, monitoring: Monitoring, sql: Sql, simulator: Any
) -> None:
    job_id = await submit(QUICK)
    await sql("UPDATE jobs SET status = 'submitting' WHERE id = :id", id=job_id)
    await simulator.order(kind="server_error", count=1000, method="GET")
    passed: list[str] = []
    tried = asyncio.Event()

    async def at(point: str) -> None:
        passed.append(point)
        if passed.count("claimed") >= 3:
            tried.set()

    async with monitoring(at=at):
        await tried.wait()

    assert "before create" not in passed
    assert await simulator.batches_of(job_id) == 0


@pytest.mark.parametrize("kind", ["garbage", "regress", "server_error", "drop"])
async def test_what_the_provider_says_wrongly_moves_no_job_back(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any, kind: str
) -> None:
    job_id = await submit("in_progress 1.5s @50%, succeeded @100%")

    async with monitoring():
        await news.reached(Status.IN_PROGRESS, job_id)
        await simulator.order(kind=kind, count=6, method="GET", path="/v1/batches")
        [job] = await news.ended(job_id)

    assert job.status is Status.SUCCEEDED
    assert news.statuses(job_id) == ["submitting", "in_progress", "finalizing", "succeeded"]


async def test_results_that_break_off_are_fetched_again(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any, sql: Sql
) -> None:
    await simulator.order(kind="drop_after", count=4, method="GET", path="/v1/files/")
    job_id = await submit("in_progress 0.2s @50%, succeeded @100% fail=5", items=300)

    async with monitoring(lease=60):
        [job] = await news.ended(job_id)

    assert job.status is Status.SUCCEEDED
    assert job.progress == Progress(total=300, completed=295, failed=5)
    assert await sql("SELECT count(*) FROM results WHERE job_id = :id", id=job_id) == 300


async def test_a_job_whose_results_cannot_be_had_ends_with_what_there_is(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any
) -> None:
    await simulator.order(kind="server_error", count=1000, method="GET", path="/v1/files/")
    job_id = await submit("in_progress 0.2s @50%, succeeded @100%")

    async with monitoring(results_within=0.5):
        [job] = await news.ended(job_id)

    assert job.status is Status.FAILED
    assert job.error
    assert job.error.code == "results_unavailable"
    assert job.progress == Progress(total=4, failed=4)


async def test_results_of_unknown_items_and_doubles_stop_nothing(
    submit: Submit, monitoring: Monitoring, news: Any, sql: Sql
) -> None:
    job_id = await submit("in_progress 0.8s @50%, succeeded @100%", items=6)

    async with monitoring():
        await news.reached(Status.IN_PROGRESS, job_id)
        await sql("DELETE FROM requests WHERE job_id = :id AND position = 5", id=job_id)
        await sql("INSERT INTO results (job_id, position, outcome) VALUES (:id, 0, 'failed')", id=job_id)
        [job] = await news.ended(job_id)

    assert job.status is Status.SUCCEEDED
    assert job.progress == Progress(total=6, completed=4, failed=2)


async def test_a_cancel_without_an_answer_is_asked_again(
    submit: Submit, monitoring: Monitoring, news: Any, simulator: Any, sql: Sql
) -> None:
    job_id = await submit(RUNNING)

    async with monitoring():
        await news.reached(Status.IN_PROGRESS, job_id)
        await simulator.order(kind="server_error", count=4, method="POST")
        await sql("UPDATE jobs SET cancel_requested_at = now(), due_at = now() WHERE id = :id", id=job_id)
        [job] = await news.ended(job_id)

    assert job.status is Status.CANCELLED


async def test_a_monitor_goes_on_after_the_database_hung_up_on_all_its_connections(
    submit: Submit, monitoring: Monitoring, news: Any, sql: Sql
) -> None:
    ids = [await submit("in_progress 1s @50%, succeeded @100%") for _ in range(5)]
    hang_up = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    async with monitoring(lease=1):
        await news.reached(Status.IN_PROGRESS, *ids)
        await sql(hang_up)
        ended = await news.ended(*ids)

    assert {job.status for job in ended} == {Status.SUCCEEDED}


async def test_a_second_batch_made_while_the_lease_was_lost_is_cancelled(
    submit: Submit, monitoring: Monitoring, provider: OpenAIBatches, simulator: Any, sql: Sql
) -> None:
    job_id = await submit(RUNNING)
    taken_over = asyncio.Event()

    async def one_line() -> AsyncIterator[bytes]:
        yield b'{"custom_id":"item-0","method":"POST","url":"/v1/chat/completions","body":{"model":"small"}}'

    async def at(point: str) -> None:
        if point == "created":
            await sql("UPDATE jobs SET lease_owner = 'another', due_at = now() + interval '60 s'")
            await provider.submit(Submission(job_id, "/v1/chat/completions", one_line, RUNNING))
            taken_over.set()

    async with monitoring(at=at):
        await taken_over.wait()

    assert await sql("SELECT upstream_id FROM jobs WHERE id = :id", id=job_id) is None
    theirs, ours = await simulator.statuses(job_id)
    assert theirs == "in_progress"
    assert ours in {"cancelling", "cancelled"}
