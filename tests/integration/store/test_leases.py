"""Who looks after which job, and for how long."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job
from polling_api.store import jobs, leases
from polling_api.store.engine import transaction
from polling_api.store.leases import Look

Submit = Callable[..., Awaitable[Job]]
Sql = Callable[..., Awaitable[Any]]

pytestmark = pytest.mark.usefixtures("empty")


async def test_a_new_job_is_due_at_once_and_says_what_a_monitor_needs(engine: AsyncEngine, submit: Submit) -> None:
    job = await submit(expires_in=3600)

    [claimed] = await leases.claim(engine, owner="m", limit=10, lease=30)

    assert claimed.job == job
    assert (claimed.upstream_id, claimed.attempts) == (None, 0)
    assert (claimed.taken_over, claimed.cancel_requested, claimed.deadline_passed) == (False, False, False)
    assert 0 <= claimed.age < 10
    assert (claimed.now - job.created_at).total_seconds() == claimed.age


async def test_a_claimed_job_is_not_due_for_anybody(engine: AsyncEngine, submit: Submit) -> None:
    await submit()
    await leases.claim(engine, owner="one", limit=10, lease=30)

    assert await leases.claim(engine, owner="two", limit=10, lease=30) == []
    assert await leases.claim(engine, owner="one", limit=10, lease=30) == []


async def test_claimers_side_by_side_share_no_job_and_leave_none(engine: AsyncEngine, submit: Submit) -> None:
    submitted = {(await submit(total=1)).id for _ in range(120)}

    claims = await asyncio.gather(*(leases.claim(engine, owner=f"m{n}", limit=15, lease=30) for n in range(12)))

    taken = [claimed.job.id for claim in claims for claimed in claim]
    rest = await leases.claim(engine, owner="last", limit=1000, lease=30)
    assert len(taken) == len(set(taken))
    assert sorted([*taken, *(claimed.job.id for claimed in rest)]) == sorted(submitted)


async def test_a_claim_waits_for_nobody_who_holds_a_row(engine: AsyncEngine, submit: Submit) -> None:
    locked, free = await submit(), await submit()

    async with transaction(engine) as connection:
        await connection.execute(text("SELECT 1 FROM jobs WHERE id = :id FOR UPDATE"), {"id": locked.id})
        async with asyncio.timeout(15):
            claimed = await leases.claim(engine, owner="m", limit=10, lease=30)

    assert [one.job.id for one in claimed] == [free.id]


async def test_a_claim_takes_no_more_than_asked_and_the_longest_due_first(engine: AsyncEngine, submit: Submit) -> None:
    first, second, _third = await submit(), await submit(), await submit()

    claimed = await leases.claim(engine, owner="m", limit=2, lease=30)

    assert {one.job.id for one in claimed} == {first.id, second.id}


async def test_a_lease_that_ran_out_is_taken_over(engine: AsyncEngine, submit: Submit) -> None:
    job = await submit()
    await leases.claim(engine, owner="dead", limit=1, lease=0)

    [claimed] = await leases.claim(engine, owner="heir", limit=1, lease=30)

    assert claimed.job.id == job.id
    assert claimed.taken_over
    assert await leases.renew(engine, "dead", [job.id], 30) == set()
    assert await leases.renew(engine, "heir", [job.id], 30) == {job.id}


async def test_a_renewed_lease_lasts(engine: AsyncEngine, submit: Submit) -> None:
    job = await submit()
    await leases.claim(engine, owner="m", limit=1, lease=0)

    held = await leases.renew(engine, "m", [job.id, "job_unknown"], 30)

    assert held == {job.id}
    assert await leases.claim(engine, owner="other", limit=1, lease=30) == []


async def test_a_released_job_is_due_when_told_and_remembers_its_attempts(engine: AsyncEngine, submit: Submit) -> None:
    now, later = await submit(), await submit()
    await leases.claim(engine, owner="m", limit=2, lease=30)

    looks = [Look(now.id, next_look=0, attempts=3, observed=True), Look(later.id, 30, 1, observed=False)]
    await leases.release(engine, "m", looks)

    [claimed] = await leases.claim(engine, owner="m", limit=2, lease=30)
    assert (claimed.job.id, claimed.attempts, claimed.taken_over) == (now.id, 3, False)


async def test_a_look_is_noted_as_confirmation_only_if_the_provider_answered(
    engine: AsyncEngine, submit: Submit, sql: Sql
) -> None:
    answered, silent = await submit(), await submit()
    await leases.claim(engine, owner="m", limit=2, lease=30)

    await leases.release(engine, "m", [Look(answered.id, 30, 0, observed=True), Look(silent.id, 30, 1, observed=False)])

    assert await sql("SELECT observed_at IS NOT NULL FROM jobs WHERE id = :id", id=answered.id)
    assert await sql("SELECT observed_at IS NULL FROM jobs WHERE id = :id", id=silent.id)


async def test_who_lost_the_lease_cannot_release(engine: AsyncEngine, submit: Submit) -> None:
    job = await submit()
    await leases.claim(engine, owner="m", limit=1, lease=30)

    await leases.release(engine, "other", [Look(job.id, 0, 0, observed=True)])

    assert await leases.claim(engine, owner="other", limit=1, lease=30) == []


async def test_releasing_many_takes_one_statement(engine: AsyncEngine, submit: Submit, asked: Any) -> None:
    ids = [(await submit()).id for _ in range(10)]
    await leases.claim(engine, owner="m", limit=10, lease=30)

    statements = await asked(leases.release(engine, "m", [Look(one, 30, 0, observed=True) for one in ids]))

    assert len(statements) == 1


async def test_the_batch_is_remembered_for_the_next_claimer(engine: AsyncEngine, submit: Submit) -> None:
    job = await submit()
    await leases.claim(engine, owner="m", limit=1, lease=0)

    assert await leases.remember_batch(engine, "m", job.id, "batch_1")
    assert not await leases.remember_batch(engine, "other", job.id, "batch_2")

    [claimed] = await leases.claim(engine, owner="m", limit=1, lease=30)
    assert claimed.upstream_id == "batch_1"


async def test_remembering_a_batch_makes_no_version(engine: AsyncEngine, submit: Submit) -> None:
    job = await submit()
    await leases.claim(engine, owner="m", limit=1, lease=30)

    await leases.remember_batch(engine, "m", job.id, "batch_1")

    assert await jobs.read(engine, [job.id]) == {job.id: job}


async def test_a_passed_deadline_and_a_wish_to_cancel_are_seen_by_the_claimer(
    engine: AsyncEngine, submit: Submit, sql: Sql
) -> None:
    job = await submit(expires_in=0)
    await sql("UPDATE jobs SET cancel_requested_at = now() WHERE id = :id", id=job.id)

    [claimed] = await leases.claim(engine, owner="m", limit=1, lease=30)

    assert (claimed.deadline_passed, claimed.cancel_requested) == (True, True)


async def test_the_next_due_time_is_known(engine: AsyncEngine, submit: Submit) -> None:
    nothing = await leases.next_due(engine)
    await submit()
    at_once = await leases.next_due(engine)
    await leases.claim(engine, owner="m", limit=1, lease=30)
    leased = await leases.next_due(engine)

    assert nothing is None
    assert at_once == 0
    assert leased is not None
    assert 20 < leased <= 30
