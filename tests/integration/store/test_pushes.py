"""Jobs that are due at once, since their provider said that their batches have ended."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.integration.store.conftest import Submit

from polling_api.domain.job import Job
from polling_api.store import leases
from polling_api.store.engine import transaction
from polling_api.store.leases import Look
from polling_api.store.pushes import APART, MadeDue, make_due

pytestmark = pytest.mark.usefixtures("empty")

Sql = Callable[..., Awaitable[Any]]
BATCH = "batch_1"
NOTHING = MadeDue([], [])


@pytest.fixture
async def held(engine: AsyncEngine, submit: Submit) -> Job:
    """A job with a batch, which the monitor `m` holds."""
    job = await submit()
    await leases.claim(engine, owner="m", limit=1, lease=30)
    await leases.remember_batch(engine, "m", job.id, BATCH)
    return job


@pytest.fixture
async def waiting(engine: AsyncEngine, held: Job) -> Job:
    """A job with a batch, which is due in 30 s."""
    await leases.release(engine, "m", [Look(held.id, 30, 0, observed=False)])
    return held


async def due_in(sql: Sql, job: Job) -> float:
    return float(await sql("SELECT extract(epoch FROM due_at - clock_timestamp()) FROM jobs WHERE id = :id", id=job.id))


async def test_a_job_that_waits_is_due_at_once(engine: AsyncEngine, waiting: Job) -> None:
    made = await make_due(engine, ["batch_of_others", BATCH])

    assert made == MadeDue([BATCH], [])
    [claimed] = await leases.claim(engine, owner="m", limit=9, lease=30)
    assert claimed.job.id == waiting.id


async def test_nothing_but_the_time_of_the_next_look_is_changed(engine: AsyncEngine, waiting: Job, sql: Sql) -> None:
    row = "SELECT to_jsonb(jobs) - 'due_at' FROM jobs WHERE id = :id"
    before = await sql(row, id=waiting.id)

    await make_due(engine, [BATCH])

    assert await sql(row, id=waiting.id) == before


async def test_a_job_that_a_monitor_holds_is_left_to_it(engine: AsyncEngine, held: Job, sql: Sql) -> None:
    made = await make_due(engine, [BATCH])

    assert made == MadeDue([], [BATCH])
    assert await due_in(sql, held) > 20


async def test_a_job_that_somebody_writes_just_now_is_not_waited_for(
    engine: AsyncEngine, waiting: Job, sql: Sql
) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text("SELECT 1 FROM jobs WHERE id = :id FOR UPDATE"), {"id": waiting.id})

        made = await make_due(engine, [BATCH])

    assert made == MadeDue([], [BATCH])
    assert await due_in(sql, waiting) > 20


async def test_a_job_that_is_due_already_stays_so(engine: AsyncEngine, waiting: Job, sql: Sql) -> None:
    await sql("UPDATE jobs SET due_at = clock_timestamp() - interval '5 seconds'")

    assert await make_due(engine, [BATCH]) == MadeDue([BATCH], [])

    assert await due_in(sql, waiting) < -4


async def test_a_job_that_was_looked_at_a_moment_ago_is_due_half_a_second_after_that(
    engine: AsyncEngine, held: Job, sql: Sql
) -> None:
    await leases.release(engine, "m", [Look(held.id, 30, 0, observed=True)])

    assert await make_due(engine, [BATCH]) == MadeDue([BATCH], [])

    between = "SELECT extract(epoch FROM due_at - observed_at) FROM jobs WHERE id = :id"
    assert float(await sql(between, id=held.id)) >= APART
    assert await due_in(sql, held) <= APART


async def test_a_batch_without_an_unfinished_job_is_in_neither(engine: AsyncEngine, waiting: Job, sql: Sql) -> None:
    await sql(
        "UPDATE jobs SET status = 'succeeded', completed = total, finished_at = clock_timestamp() WHERE id = :id",
        id=waiting.id,
    )

    assert await make_due(engine, [BATCH, "batch_of_others"]) == NOTHING
