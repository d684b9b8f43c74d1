"""How many unfinished jobs an address has at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import new_job_id
from polling_api.errors import TooMany
from polling_api.store import jobs
from polling_api.store.idempotency import Once
from polling_api.store.jobs import NewJob, NewRequest
from polling_api.store.unfinished import Share

MOST = 100  # the contract's figure
AT_ONCE = 200

Sql = Callable[..., Awaitable[Any]]


def new_job(share: Share | None) -> NewJob:
    return NewJob(
        id=new_job_id(),
        client_id=None,
        provider="simulator",
        endpoint="/v1/responses",
        metadata={},
        total=1,
        expires_in=None,
        poll_after=1,
        share=share,
    )


async def stored(engine: AsyncEngine, share: Share | None, once: Once | None = None) -> str:
    """Store a job; its id, or the code of its refusal."""
    try:
        created = await jobs.create(engine, new_job(share), [NewRequest("a", "{}")], once=once)
    except TooMany as refusal:
        return refusal.code
    return created.job.id


@pytest.fixture
async def told(engine: AsyncEngine) -> list[str]:
    """What two hundred submits from one address at the same moment were told."""
    share = Share("192.0.2.1", MOST)
    return list(await asyncio.gather(*(stored(engine, share) for _ in range(AT_ONCE))))


@pytest.mark.usefixtures("empty")
async def test_of_two_hundred_submits_at_once_a_hundred_are_taken(
    engine: AsyncEngine, sql: Sql, told: list[str]
) -> None:
    share = Share("192.0.2.1", MOST)
    next_one = await stored(engine, share)
    neighbour = await stored(engine, Share("192.0.2.2", MOST))
    kept = await sql("SELECT count(*) FROM jobs WHERE submitter = '192.0.2.1' AND finished_at IS NULL")

    assert told.count("too_many_jobs") == AT_ONCE - MOST
    assert (next_one, kept) == ("too_many_jobs", MOST)
    assert neighbour.startswith("job_")


@pytest.mark.usefixtures("empty")
async def test_a_job_that_ends_makes_room_for_one(engine: AsyncEngine, sql: Sql, told: list[str]) -> None:
    share, ended = Share("192.0.2.1", MOST), next(one for one in told if one != "too_many_jobs")
    await sql("UPDATE jobs SET status = 'cancelled', finished_at = now(), cancelled = total WHERE id = :id", id=ended)

    again = [await stored(engine, share) for _ in range(2)]

    assert again[0].startswith("job_")
    assert again[1] == "too_many_jobs"


@pytest.mark.usefixtures("empty", "told")
async def test_a_refused_submit_leaves_nothing_behind_and_its_key_free(engine: AsyncEngine, sql: Sql) -> None:
    once = Once("", "a-key-of-somebody-whom-nobody-knows", b"x" * 32, 60)

    refused = await stored(engine, Share("192.0.2.1", MOST), once)
    requests = await sql("SELECT count(*) FROM requests")
    elsewhere = await stored(engine, Share("192.0.2.2", MOST), once)

    assert refused == "too_many_jobs"
    assert requests == MOST
    assert elsewhere.startswith("job_")


@pytest.mark.usefixtures("empty", "told")
async def test_jobs_of_clients_are_not_counted(engine: AsyncEngine) -> None:
    assert (await stored(engine, None)).startswith("job_")
