"""Cancelling and deleting jobs, and their past."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.advance import Transition
from polling_api.domain.job import Job, Outcome, Progress, Status
from polling_api.domain.result import ItemResult
from polling_api.errors import Conflict
from polling_api.store import endings, jobs, leases, results
from polling_api.store.changes import Change
from polling_api.store.endings import HistoryEntry
from polling_api.store.engine import transaction
from polling_api.store.leases import Look

Submit = Callable[..., Awaitable[Job]]
Sql = Callable[..., Awaitable[Any]]
InLine = Callable[[int], Awaitable[None]]

pytestmark = pytest.mark.usefixtures("empty")

UNFINISHED = [status for status in Status if not status.terminal]
ENDS = [status for status in Status if status.terminal]


def change(job: Job, status: Status, completed: int = 0, *, next_look: float | None = None) -> Change:
    progress = replace(job.progress, completed=completed, failed=job.progress.total - completed)
    transition = Transition(status, progress if status.terminal else replace(job.progress, completed=completed))
    return Change(
        job_id=job.id,
        from_version=job.version,
        transition=transition,
        poll_after=5,
        next_look=next_look,
        observed=True,
    )


async def save(engine: AsyncEngine, *changes: Change) -> list[Job]:
    return await leases.save(engine, "m", changes, results_keep=60)


async def cancel(engine: AsyncEngine, job: Job) -> Job | None:
    return await endings.cancel(engine, job.id, results_keep=60)


async def claim(engine: AsyncEngine, owner: str = "m") -> list[Job]:
    return [claimed.job for claimed in await leases.claim(engine, owner=owner, limit=10, lease=30)]


@pytest.fixture
def moved_to(engine: AsyncEngine, submit: Submit) -> Callable[[Status], Awaitable[Job]]:
    """A job of four items that the monitor `m` holds, and has brought to a status."""

    async def move(status: Status) -> Job:
        job = await submit(total=4)
        await claim(engine)
        if status is Status.QUEUED:
            return job
        [moved] = await save(engine, change(job, status))
        return moved

    return move


@asynccontextmanager
async def row_locked(engine: AsyncEngine, job: Job) -> AsyncGenerator[None]:
    """Whoever writes the job within this block waits for its end; they go on in the order in which they came."""
    async with transaction(engine) as locking:
        await locking.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": job.id})
        yield


async def test_a_queued_job_is_cancelled_at_once(engine: AsyncEngine, submit: Submit) -> None:
    job = await submit(total=4)

    cancelled = await cancel(engine, job)

    assert cancelled
    assert cancelled == replace(
        job,
        version=2,
        status=Status.CANCELLED,
        status_version=2,
        progress=Progress(4, cancelled=4),
        updated_at=cancelled.updated_at,
        finished_at=cancelled.updated_at,
        results_expire_at=cancelled.updated_at + timedelta(seconds=60),
        poll_after=1,
    )
    assert await jobs.read(engine, [job.id]) == {job.id: cancelled}
    assert [entry.status for entry in await endings.history(engine, job.id, after=0, limit=9)] == [
        Status.QUEUED,
        Status.CANCELLED,
    ]
    assert await claim(engine) == []


@pytest.mark.parametrize("status", [Status.SUBMITTING, Status.IN_PROGRESS, Status.FINALIZING])
async def test_a_job_that_may_be_upstream_is_being_cancelled(
    engine: AsyncEngine, moved_to: Any, status: Status
) -> None:
    job = await moved_to(status)

    asked = await cancel(engine, job)

    assert asked
    assert (asked.status, asked.version, asked.finished_at) == (Status.CANCELLING, job.version + 1, None)


async def test_a_cancel_can_be_asked_for_again_and_again(engine: AsyncEngine, moved_to: Any, submit: Submit) -> None:
    running, queued = await moved_to(Status.IN_PROGRESS), await submit()

    cancelling = [await cancel(engine, running) for _ in range(3)]
    cancelled = [await cancel(engine, queued) for _ in range(3)]

    assert cancelling[0] == cancelling[1] == cancelling[2]
    assert cancelled[0] == cancelled[1] == cancelled[2]


@pytest.mark.parametrize("end", ENDS)
async def test_a_job_that_has_ended_stays_as_it_is(engine: AsyncEngine, moved_to: Any, end: Status) -> None:
    job = await moved_to(end)

    assert await cancel(engine, job) == job
    assert await jobs.read(engine, [job.id]) == {job.id: job}


async def test_a_job_that_is_not_there_cannot_be_cancelled(engine: AsyncEngine) -> None:
    assert await endings.cancel(engine, "job_unknown", results_keep=60) is None


async def test_a_job_that_nobody_holds_is_due_at_once_when_it_is_cancelled(engine: AsyncEngine, moved_to: Any) -> None:
    job = await moved_to(Status.IN_PROGRESS)
    await leases.release(engine, "m", [Look(job.id, 3600, 0, observed=True)])

    asked = await cancel(engine, job)

    [claimed] = await leases.claim(engine, owner="another", limit=10, lease=30)
    assert claimed.job == asked
    assert claimed.cancel_requested
    assert not claimed.taken_over


async def test_a_job_that_a_monitor_holds_is_left_to_it_and_due_once_it_is_given_back(
    engine: AsyncEngine, moved_to: Any
) -> None:
    job = await moved_to(Status.IN_PROGRESS)

    await cancel(engine, job)
    while_held = await claim(engine, "another")
    await leases.release(engine, "m", [Look(job.id, 3600, 0, observed=True)])
    given_back = await claim(engine, "another")

    assert while_held == []
    assert [claimed.id for claimed in given_back] == [job.id]


async def test_a_look_that_heeds_no_cancel_gives_the_job_back_for_as_long_as_it_says(
    engine: AsyncEngine, moved_to: Any
) -> None:
    job = await moved_to(Status.SUBMITTING)

    await cancel(engine, job)
    await leases.release(engine, "m", [Look(job.id, 3600, 0, observed=True, heeds_cancel=False)])

    assert await claim(engine, "another") == []


async def test_a_monitor_that_decided_before_a_cancel_writes_nothing_after_it(
    engine: AsyncEngine, moved_to: Any
) -> None:
    job = await moved_to(Status.IN_PROGRESS)

    asked = await cancel(engine, job)

    assert await save(engine, change(job, Status.IN_PROGRESS, 3, next_look=3600)) == []
    assert await jobs.read(engine, [job.id]) == {job.id: asked}


@pytest.mark.parametrize("status", UNFINISHED)
async def test_a_cancel_that_comes_before_a_monitors_save_wins(
    engine: AsyncEngine, moved_to: Any, in_line: InLine, status: Status
) -> None:
    job = await moved_to(status)

    async with row_locked(engine, job):
        cancelling = asyncio.create_task(cancel(engine, replace(job)))
        await in_line(0 if status is Status.CANCELLING else 1)
        saving = asyncio.create_task(save(engine, change(job, Status.SUCCEEDED, 4)))
        await in_line(1 if status is Status.CANCELLING else 2)
    cancelled, saved = await asyncio.gather(cancelling, saving)

    assert cancelled
    assert cancelled.status is (Status.CANCELLED if status is Status.QUEUED else Status.CANCELLING)
    assert [one.version for one in saved] == ([job.version + 1] if status is Status.CANCELLING else [])


@pytest.mark.parametrize("status", [status for status in UNFINISHED if status is not Status.CANCELLING])
@pytest.mark.parametrize("then", [Status.FINALIZING, Status.CANCELLING, *ENDS])
async def test_a_cancel_that_comes_after_a_monitors_save_is_decided_on_what_that_made(
    engine: AsyncEngine, moved_to: Any, in_line: InLine, status: Status, then: Status
) -> None:
    job = await moved_to(status)

    async with row_locked(engine, job):
        saving = asyncio.create_task(save(engine, change(job, then, 4)))
        await in_line(1)
        cancelling = asyncio.create_task(cancel(engine, job))
        await in_line(2)
    [saved], cancelled = await asyncio.gather(saving, cancelling)

    assert cancelled
    assert (saved.status, saved.version) == (then, job.version + 1)
    assert cancelled.status is (Status.CANCELLING if then is Status.FINALIZING else then)
    assert cancelled.version == saved.version + (then is Status.FINALIZING)


async def test_many_cancels_at_once_make_one_version(engine: AsyncEngine, moved_to: Any) -> None:
    job = await moved_to(Status.IN_PROGRESS)

    asked = await asyncio.gather(*(cancel(engine, job) for _ in range(12)))

    assert {one and one.version for one in asked} == {job.version + 1}


@pytest.mark.parametrize("end", ENDS)
async def test_a_finished_job_is_deleted_with_its_history_and_its_results_cannot_be_found(
    engine: AsyncEngine, moved_to: Any, sql: Sql, end: Status
) -> None:
    job = await moved_to(end)

    assert await endings.delete(engine, job.id) is True

    assert await jobs.read(engine, [job.id]) == {}
    assert await endings.history(engine, job.id, after=0, limit=9) == []
    assert await sql("SELECT count(*) FROM transitions") == 0
    assert await sql("SELECT job_id FROM purges") == job.id


async def test_a_deleted_job_cannot_be_deleted_again(engine: AsyncEngine, moved_to: Any) -> None:
    job = await moved_to(Status.SUCCEEDED)

    assert [await endings.delete(engine, job.id) for _ in range(2)] == [True, False]


async def test_of_many_deletes_at_once_one_deletes(engine: AsyncEngine, moved_to: Any) -> None:
    job = await moved_to(Status.SUCCEEDED)

    deleted = await asyncio.gather(*(endings.delete(engine, job.id) for _ in range(12)))

    assert sorted(deleted) == [False] * 11 + [True]


@pytest.mark.parametrize("status", UNFINISHED)
async def test_an_unfinished_job_is_not_deleted(engine: AsyncEngine, moved_to: Any, sql: Sql, status: Status) -> None:
    job = await moved_to(status)

    with pytest.raises(Conflict) as refused:
        await endings.delete(engine, job.id)

    assert refused.value.code == "job_unfinished"
    assert await jobs.read(engine, [job.id]) == {job.id: job}
    assert await sql("SELECT count(*) FROM purges") == 0


async def test_no_other_job_is_deleted(engine: AsyncEngine, moved_to: Any) -> None:
    other, job = await moved_to(Status.SUCCEEDED), await moved_to(Status.SUCCEEDED)
    told = await endings.history(engine, other.id, after=0, limit=9)

    await endings.delete(engine, job.id)

    assert await jobs.read(engine, [other.id]) == {other.id: other}
    assert await endings.history(engine, other.id, after=0, limit=9) == told


async def test_the_history_has_every_version_with_its_time(engine: AsyncEngine, submit: Submit) -> None:
    queued = await submit(total=4)
    await claim(engine)
    [running] = await save(engine, change(queued, Status.IN_PROGRESS, 1))
    [further] = await save(engine, change(running, Status.IN_PROGRESS, 2))
    [ended] = await save(engine, change(further, Status.SUCCEEDED, 3))

    told = await endings.history(engine, queued.id, after=0, limit=9)

    assert told == [
        HistoryEntry(1, Status.QUEUED, Progress(4), queued.updated_at),
        HistoryEntry(2, Status.IN_PROGRESS, Progress(4, completed=1), running.updated_at),
        HistoryEntry(3, Status.IN_PROGRESS, Progress(4, completed=2), further.updated_at),
        HistoryEntry(4, Status.SUCCEEDED, Progress(4, completed=3, failed=1), ended.updated_at),
    ]


async def test_the_history_comes_in_pages(engine: AsyncEngine, moved_to: Any) -> None:
    job = await moved_to(Status.SUCCEEDED)

    first = await endings.history(engine, job.id, after=0, limit=1)
    second = await endings.history(engine, job.id, after=1, limit=1)
    third = await endings.history(engine, job.id, after=2, limit=1)

    assert [entry.version for entry in [*first, *second, *third]] == [1, 2]


async def test_results_that_come_after_the_end_are_not_taken(engine: AsyncEngine, moved_to: Any) -> None:
    job = await moved_to(Status.EXPIRED)

    added = await results.add(engine, job.id, [ItemResult("item-0", Outcome.COMPLETED, "{}")])

    assert added.new == 0
    assert await results.tally(engine, job.id) == {}
