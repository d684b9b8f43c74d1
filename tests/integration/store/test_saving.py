"""Writing the next versions of jobs."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.advance import Transition
from polling_api.domain.job import Job, JobError, Progress, Status
from polling_api.store import jobs, leases
from polling_api.store.leases import Change

Submit = Callable[..., Awaitable[Job]]
Sql = Callable[..., Awaitable[Any]]

pytestmark = pytest.mark.usefixtures("empty")


def change(
    job: Job, status: Status, completed: int = 0, *, next_look: float | None = None, batch: str | None = None
) -> Change:
    return Change(
        job_id=job.id,
        from_version=job.version,
        transition=Transition(status, replace(job.progress, completed=completed)),
        poll_after=5,
        upstream_id=batch,
        next_look=next_look,
        observed=True,
    )


async def save(engine: AsyncEngine, *changes: Change, owner: str = "m") -> list[Job]:
    return await leases.save(engine, owner, changes, results_keep=60)


@pytest.fixture
async def held(engine: AsyncEngine, submit: Submit) -> Job:
    """A job of three items that the monitor `m` holds."""
    job = await submit(total=3)
    await leases.claim(engine, owner="m", limit=1, lease=30)
    return job


async def test_a_saved_change_is_the_next_version(engine: AsyncEngine, held: Job) -> None:
    deadline = datetime(2027, 1, 2, tzinfo=UTC)
    transition = Transition(Status.IN_PROGRESS, Progress(3, completed=1), expires_at=deadline)

    [saved] = await save(
        engine, Change(job_id=held.id, from_version=1, transition=transition, poll_after=9, observed=True)
    )

    assert saved == replace(
        held,
        version=2,
        status=Status.IN_PROGRESS,
        status_version=2,
        progress=Progress(3, completed=1),
        updated_at=saved.updated_at,
        started_at=saved.updated_at,
        expires_at=deadline,
        poll_after=9,
    )
    assert saved.updated_at > held.updated_at
    assert await jobs.read(engine, [held.id]) == {held.id: saved}


async def test_progress_alone_keeps_the_status_version_and_the_start(engine: AsyncEngine, held: Job) -> None:
    [running] = await save(engine, change(held, Status.IN_PROGRESS, 1))
    [further] = await save(engine, change(running, Status.IN_PROGRESS, 2))

    assert (further.version, further.status_version) == (3, 2)
    assert further.started_at == running.started_at


async def test_a_terminal_version_ends_the_job_at_its_own_time(engine: AsyncEngine, held: Job) -> None:
    error = JobError("upstream_refused", "No.")
    transition = Transition(Status.FAILED, Progress(3, failed=3), error)

    [ended] = await save(
        engine, Change(job_id=held.id, from_version=1, transition=transition, poll_after=1, observed=False)
    )

    assert ended.error == error
    assert ended.finished_at == ended.updated_at
    assert ended.results_expire_at == ended.updated_at + timedelta(seconds=60)
    assert await leases.next_due(engine) is None


async def test_a_terminal_job_never_changes_again(engine: AsyncEngine, held: Job, sql: Sql) -> None:
    [ended] = await save(engine, change(held, Status.SUCCEEDED, 3))
    await sql("UPDATE jobs SET lease_owner = 'm', due_at = now() WHERE id = :id", id=held.id)

    assert await save(engine, change(ended, Status.FAILED, 3)) == []
    assert await leases.claim(engine, owner="m", limit=1, lease=30) == []
    assert not await leases.remember_batch(engine, "m", held.id, "batch_1")


async def test_who_lost_the_lease_changes_nothing(engine: AsyncEngine, held: Job) -> None:
    saved = await save(engine, change(held, Status.IN_PROGRESS), owner="another")

    assert saved == []
    assert await jobs.read(engine, [held.id]) == {held.id: held}


async def test_a_change_decided_on_an_older_version_is_passed_over(engine: AsyncEngine, held: Job) -> None:
    [running] = await save(engine, change(held, Status.IN_PROGRESS))

    assert await save(engine, change(held, Status.SUBMITTING)) == []
    assert await jobs.read(engine, [held.id]) == {held.id: running}


async def test_two_writers_of_one_version_make_one(engine: AsyncEngine, held: Job, sql: Sql) -> None:
    answers = await asyncio.gather(
        *(save(engine, change(held, Status.IN_PROGRESS, completed)) for completed in (0, 1, 2, 3))
    )

    assert sum(len(answer) for answer in answers) == 1
    assert await sql("SELECT count(*) FROM transitions WHERE job_id = :id", id=held.id) == 2


async def test_one_lost_job_among_many_does_not_hold_up_the_others(engine: AsyncEngine, submit: Submit) -> None:
    kept, lost = await submit(total=3), await submit(total=3)
    await leases.claim(engine, owner="m", limit=2, lease=30)

    saved = await save(engine, change(kept, Status.IN_PROGRESS), replace(change(lost, Status.FAILED), from_version=9))

    assert [job.id for job in saved] == [kept.id]


async def test_the_time_of_a_version_rises_even_when_the_clock_went_back(
    engine: AsyncEngine, held: Job, sql: Sql
) -> None:
    await sql("UPDATE jobs SET updated_at = now() + interval '1 hour' WHERE id = :id", id=held.id)
    ahead = (await jobs.read(engine, [held.id]))[held.id]

    [first] = await save(engine, change(held, Status.IN_PROGRESS))
    [second] = await save(engine, change(first, Status.FINALIZING))

    assert first.updated_at - ahead.updated_at == timedelta(microseconds=1)
    assert second.updated_at - first.updated_at == timedelta(microseconds=1)


async def test_a_change_without_a_next_look_keeps_the_lease(engine: AsyncEngine, held: Job) -> None:
    await save(engine, change(held, Status.SUBMITTING))

    assert await leases.renew(engine, "m", [held.id], 30) == {held.id}


async def test_a_change_with_a_next_look_gives_the_job_back(engine: AsyncEngine, held: Job) -> None:
    await save(engine, change(held, Status.IN_PROGRESS, next_look=0.0, batch="batch_1"))

    [claimed] = await leases.claim(engine, owner="other", limit=1, lease=30)
    assert (claimed.taken_over, claimed.attempts, claimed.upstream_id) == (False, 0, "batch_1")


async def test_a_batch_once_known_is_not_forgotten(engine: AsyncEngine, held: Job) -> None:
    [running] = await save(engine, change(held, Status.IN_PROGRESS, batch="batch_1"))

    await save(engine, change(running, Status.FINALIZING, next_look=0.0))

    [claimed] = await leases.claim(engine, owner="m", limit=1, lease=30)
    assert claimed.upstream_id == "batch_1"


async def test_saving_many_takes_one_statement(engine: AsyncEngine, submit: Submit, asked: Any) -> None:
    submitted = [await submit(total=3) for _ in range(30)]
    await leases.claim(engine, owner="m", limit=30, lease=30)

    statements = await asked(save(engine, *(change(job, Status.IN_PROGRESS) for job in submitted)))

    assert len(statements) == 1


async def test_an_error_that_text_cannot_hold_is_stored_as_well_as_can_be(engine: AsyncEngine, held: Job) -> None:
    transition = Transition(Status.FAILED, Progress(3, failed=3), JobError("odd", "a\0b\ud800c"))

    [ended] = await save(
        engine, Change(job_id=held.id, from_version=1, transition=transition, poll_after=1, observed=True)
    )

    assert ended.error == JobError("odd", "a\ufffdb?c")


async def test_an_end_that_leaves_items_open_is_refused(engine: AsyncEngine, held: Job) -> None:
    with pytest.raises(IntegrityError, match="all_settled"):
        await save(engine, change(held, Status.SUCCEEDED, completed=2))

    assert await jobs.read(engine, [held.id]) == {held.id: held}
