"""What is to be told of a version is written with it, by the same statement."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.hooked import (
    EVERY_STATUS,
    TERMINAL,
    claim_all,
    mark,
    move,
    new_endpoint,
    new_job,
    new_owner,
    told,
)
from polling_api.domain.job import Status
from polling_api.domain.webhook import DeliveryStatus, EndpointStatus
from polling_api.store import endings, webhook_endpoints, webhook_leases
from polling_api.store.webhook_endpoints import Changed
from polling_api.store.webhook_outcomes import Fate
from running.keyholders import ENTRY

Asked = Callable[[Awaitable[Any]], Awaitable[list[Any]]]

pytestmark = pytest.mark.usefixtures("empty")


async def test_an_endpoint_is_told_the_end_alone_unless_it_asks_for_every_status(engine: AsyncEngine) -> None:
    owner = await new_owner(engine)
    await new_endpoint(engine, owner, events=TERMINAL)
    job = await new_job(engine, owner)

    [running] = await move(engine, [job], Status.IN_PROGRESS)
    [further] = await move(engine, [running], Status.IN_PROGRESS, completed=1)
    await move(engine, [further], Status.SUCCEEDED)

    assert await told(engine) == [(4, "job.succeeded", "pending")]


async def test_every_status_is_told_to_who_asks_for_it_and_progress_to_nobody(engine: AsyncEngine) -> None:
    owner = await new_owner(engine)
    await new_endpoint(engine, owner, events=EVERY_STATUS)
    job = await new_job(engine, owner)

    [running] = await move(engine, [job], Status.IN_PROGRESS)
    [further] = await move(engine, [running], Status.IN_PROGRESS, completed=1)
    await move(engine, [further], Status.SUCCEEDED)

    assert await told(engine) == [
        (1, "job.queued", "superseded"),
        (2, "job.in_progress", "superseded"),
        (4, "job.succeeded", "pending"),
    ]


async def test_who_is_told_is_the_owner_s_enabled_endpoints_and_the_job_s_own(engine: AsyncEngine) -> None:
    owner, other = await new_owner(engine), await new_owner(engine)
    first, off = await new_endpoint(engine, owner), await new_endpoint(engine, owner)
    await new_endpoint(engine, other)
    await webhook_endpoints.change(engine, owner, off.id, Changed(status=EndpointStatus.DISABLED), entry=ENTRY)
    job, public = await new_job(engine, owner, own=TERMINAL), await new_job(engine, None, own=TERMINAL)

    await move(engine, [job, public, await new_job(engine)], Status.SUCCEEDED)

    claimed = await claim_all(engine)
    assert {(one.endpoint_id, one.client_id, one.sealed_for) for one in claimed} == {
        (first.id, owner, first.id),
        (None, owner, job.id),
        (None, None, public.id),
    }


async def test_what_is_claimed_is_the_very_version_that_was_written(engine: AsyncEngine) -> None:
    owner = await new_owner(engine)
    await new_endpoint(engine, owner)
    [ended] = await move(engine, [await new_job(engine, owner)], Status.SUCCEEDED)

    [claimed] = await claim_all(engine)

    assert claimed.job == ended
    assert (claimed.event, claimed.created_at) == ("job.succeeded", ended.updated_at)


async def test_a_deleted_job_s_end_is_told_all_the_same(engine: AsyncEngine) -> None:
    owner = await new_owner(engine)
    await new_endpoint(engine, owner)
    [ended] = await move(engine, [await new_job(engine, owner, own=TERMINAL)], Status.SUCCEEDED)

    await endings.delete(engine, ended.id)

    claimed = await claim_all(engine)
    assert [(one.job, one.url is not None) for one in claimed] == [(ended, True)] * 2


async def test_what_was_told_of_a_deleted_job_goes_with_it(engine: AsyncEngine, sql: Any) -> None:
    owner = await new_owner(engine)
    await new_endpoint(engine, owner)
    [ended] = await move(engine, [await new_job(engine, owner)], Status.SUCCEEDED)
    [claimed] = await claim_all(engine)
    await mark(engine, claimed, Fate.DELIVERED)

    await endings.delete(engine, ended.id)

    assert await sql("SELECT count(*) FROM webhook_deliveries") == 0


async def test_a_cancel_is_told_by_the_statement_that_writes_it(engine: AsyncEngine) -> None:
    owner = await new_owner(engine)
    await new_endpoint(engine, owner)
    job = await new_job(engine, owner)

    await endings.cancel(engine, job.id, results_keep=60)

    assert await told(engine) == [(2, "job.cancelled", "pending")]


async def test_what_a_failed_transaction_would_have_told_is_told_to_nobody(engine: AsyncEngine) -> None:
    owner = await new_owner(engine)
    await new_endpoint(engine, owner)
    job = await new_job(engine, owner)

    assert await move(engine, [replace(job, version=9)], Status.SUCCEEDED) == []

    assert await told(engine) == []


@pytest.mark.parametrize(("jobs", "endpoints"), [(1, 1), (30, 1), (1, 20), (30, 20)])
async def test_saving_takes_one_statement_however_many_jobs_and_endpoints_there_are(
    engine: AsyncEngine, asked: Asked, jobs: int, endpoints: int
) -> None:
    owner = await new_owner(engine)
    for _ in range(endpoints):
        await new_endpoint(engine, owner, events=EVERY_STATUS)
    made = [await new_job(engine, owner) for _ in range(jobs)]

    statements = await asked(move(engine, made, Status.IN_PROGRESS))

    assert len(statements) == 2  # the claim of the jobs, and the save
    assert len(await told(engine)) == 2 * jobs * endpoints


async def test_a_newer_version_is_not_claimed_while_an_older_one_is_on_its_way(engine: AsyncEngine) -> None:
    owner = await new_owner(engine)
    await new_endpoint(engine, owner, events=EVERY_STATUS)
    [running] = await move(engine, [await new_job(engine, owner)], Status.IN_PROGRESS)
    [on_its_way] = await claim_all(engine)

    await move(engine, [running], Status.SUCCEEDED)
    meanwhile = await claim_all(engine, "another")
    await mark(engine, on_its_way, Fate.RETRIED, wait=0)
    [newer] = await claim_all(engine, "another")

    assert meanwhile == []
    assert (newer.job and newer.job.status) == Status.SUCCEEDED
    assert [status for _, _, status in await told(engine)] == ["superseded", "superseded", "pending"]


async def test_an_older_version_that_arrived_although_it_was_superseded_counts_as_delivered(
    engine: AsyncEngine,
) -> None:
    owner = await new_owner(engine)
    await new_endpoint(engine, owner, events=EVERY_STATUS)
    [running] = await move(engine, [await new_job(engine, owner)], Status.IN_PROGRESS)
    [on_its_way] = await claim_all(engine)
    await move(engine, [running], Status.SUCCEEDED)

    [marked] = await mark(engine, on_its_way, Fate.DELIVERED)

    assert marked.status is DeliveryStatus.DELIVERED


async def test_a_newer_version_waits_no_longer_than_a_dead_dispatcher_s_lease(engine: AsyncEngine, sql: Any) -> None:
    owner = await new_owner(engine)
    await new_endpoint(engine, owner, events=EVERY_STATUS)
    [running] = await move(engine, [await new_job(engine, owner)], Status.IN_PROGRESS)
    await claim_all(engine)
    await move(engine, [running], Status.SUCCEEDED)

    await sql("UPDATE webhook_deliveries SET due_at = now() WHERE lease_owner IS NOT NULL")

    [newer] = await claim_all(engine, "another")
    assert (newer.job and newer.job.status) == Status.SUCCEEDED


async def test_a_version_of_one_job_does_not_wait_for_another_job_s(engine: AsyncEngine) -> None:
    owner = await new_owner(engine)
    await new_endpoint(engine, owner, events=EVERY_STATUS)
    first, second = await new_job(engine, owner), await new_job(engine, owner)
    await claim_all(engine, most=1)

    waiting = await claim_all(engine, "another")

    assert len(waiting) == 1
    assert {first.id, second.id} >= {waiting[0].job.id if waiting[0].job else ""}


async def test_lanes_are_walked_in_order_some_at_a_time(engine: AsyncEngine) -> None:
    owner = await new_owner(engine)
    for number in range(5):
        await new_endpoint(engine, owner, url=f"https://h{number}.example/")
    await move(engine, [await new_job(engine, owner), await new_job(engine, owner)], Status.SUCCEEDED)

    first = await webhook_leases.waiting(engine, after="", most_lanes=3, most_due=10)
    rest = await webhook_leases.waiting(engine, after=first[-1].lane, most_lanes=3, most_due=1)

    assert [(one.lane.partition("//")[0].rpartition(" ")[2], one.due) for one in (*first, *rest)] == [
        ("h0.example:443", 2),
        ("h1.example:443", 2),
        ("h2.example:443", 2),
        ("h3.example:443", 1),
        ("h4.example:443", 1),
    ]
