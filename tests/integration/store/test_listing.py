"""A client's list: newest first, each job once, found by an index."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job, Status
from polling_api.store import listing
from polling_api.store.listing import Listed

MANY_JOBS = """
INSERT INTO jobs (id, client_id, provider, endpoint, metadata, version, status, status_version, total, completed,
                  failed, expired, cancelled, poll_after, created_at, updated_at, finished_at, due_at, attempts)
SELECT 'job_' || md5(n::text), CASE WHEN n % 2 = 0 THEN 'client_many' ELSE 'client_' || n % 50 END, 'openai',
       '/v1/chat/completions', '{}', 5, CASE WHEN rare THEN 'failed' ELSE 'succeeded' END, 5, 10, 10, 0, 0, 0, 5,
       now() - n * interval '1 minute', now(), now(), now(), 0
FROM (SELECT n, n % 20000 = 0 AS rare FROM generate_series(1, 100000) AS n) AS numbered
"""


@pytest.fixture
def client() -> str:
    return f"client_{uuid4().hex}"


def place(job: Job) -> Listed:
    return Listed(job.created_at, job.id)


async def test_the_newest_come_first_and_only_the_clients_own(engine: AsyncEngine, submit: Any, client: str) -> None:
    jobs = [await submit(client_id=client) for _ in range(3)]
    await submit(client_id=f"{client}0")
    await submit()

    assert await listing.page(engine, client, limit=10) == jobs[::-1]


async def test_pages_follow_one_another_without_a_job_lost_or_told_twice(
    engine: AsyncEngine, submit: Any, client: str, sql: Any
) -> None:
    jobs = {(await submit(client_id=client)).id for _ in range(7)}
    # Those of one moment are told apart by their ids.
    await sql("UPDATE jobs SET created_at = date_trunc('day', created_at) WHERE client_id = :client", client=client)

    pages = [await listing.page(engine, client, limit=3)]
    while pages[-1]:
        pages.append(await listing.page(engine, client, before=place(pages[-1][-1]), limit=3))

    told = [job.id for page in pages for job in page]
    assert sorted(told) == sorted(jobs)
    assert [len(page) for page in pages] == [3, 3, 1, 0]


async def test_a_job_that_is_submitted_between_two_pages_moves_no_other(
    engine: AsyncEngine, submit: Any, client: str
) -> None:
    jobs = [await submit(client_id=client) for _ in range(4)]
    [*_, last] = await listing.page(engine, client, limit=2)
    await submit(client_id=client)

    assert await listing.page(engine, client, before=place(last), limit=2) == jobs[1::-1]


async def test_it_can_be_asked_for_some_statuses_and_what_came_after_a_moment(
    engine: AsyncEngine, submit: Any, client: str, sql: Any
) -> None:
    jobs = [await submit(client_id=client) for _ in range(5)]
    for job, status in zip(jobs, ("queued", "submitting", "in_progress", "submitting", "queued"), strict=True):
        await sql("UPDATE jobs SET status = :status WHERE id = :id", status=status, id=job.id)

    async def ids(**asked: Any) -> list[str]:
        return [job.id for job in await listing.page(engine, client, limit=10, **asked)]

    new_first = [job.id for job in jobs[::-1]]
    assert await ids(statuses=[Status.SUBMITTING]) == [new_first[1], new_first[3]]
    assert await ids(statuses=[Status.SUBMITTING, Status.QUEUED]) == [*new_first[:2], *new_first[3:]]
    assert await ids(statuses=[Status.FAILED]) == []
    assert await ids(created_after=jobs[2].created_at) == new_first[:2]
    assert await ids(created_after=jobs[2].created_at - timedelta(microseconds=1)) == new_first[:3]
    assert await ids(statuses=[Status.QUEUED], created_after=jobs[2].created_at) == new_first[:1]


@pytest.fixture(scope="module")
async def many(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(MANY_JOBS)
        await driver.execute("ANALYZE jobs")


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("before", [listing.START, Listed(listing.EVER.replace(year=2026), "job_0")])
async def test_among_100_000_jobs_a_page_is_read_by_the_index_in_its_order(
    engine: AsyncEngine, plans: Callable[[Awaitable[Any]], Awaitable[str]], before: Listed
) -> None:
    plan = await plans(listing.page(engine, "client_many", before=before, limit=101))

    assert '"Index Name": "jobs_of_client"' in plan
    assert "Seq Scan" not in plan
    assert '"Node Type": "Sort"' not in plan


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("statuses", [[Status.FAILED], [Status.FAILED, Status.CANCELLED], list(Status)])
async def test_among_100_000_jobs_a_rare_status_is_found_by_its_own_stretch_of_the_index(
    engine: AsyncEngine, plans: Callable[[Awaitable[Any]], Awaitable[str]], statuses: list[Status]
) -> None:
    plan = await plans(listing.page(engine, "client_many", statuses=statuses, limit=101))

    assert '"Index Name": "jobs_of_client_by_status"' in plan
    assert "status = asked.status" in plan.split('"Index Cond": ')[1].split('"Filter"')[0]
    assert "Seq Scan" not in plan
