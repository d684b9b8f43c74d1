"""How Postgres finds jobs among 100,000, of which 1,000 are unfinished and 100 of those due."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.caching import any_job
from in_process.stored_results import items_of
from polling_api.domain.job import Outcome, Status
from polling_api.domain.result import ItemResult
from polling_api.store import endings, jobs, leases, purges, requests, results, retention
from polling_api.store.jobs import NewJob, NewRequest, Once
from polling_api.store.leases import Look

pytestmark = pytest.mark.usefixtures("ids")

Plans = Callable[[Awaitable[Any]], Awaitable[str]]
Explained = Callable[[Awaitable[Any]], Awaitable[list[str]]]

MANY_JOBS = """
INSERT INTO jobs (id, provider, endpoint, metadata, version, status, status_version, total, completed, failed,
                  expired, cancelled, poll_after, created_at, updated_at, finished_at, results_expire_at, due_at,
                  attempts)
SELECT 'job_' || md5(n::text), 'openai', '/v1/chat/completions', '{"order":"1234"}', 5,
       CASE WHEN unfinished THEN 'in_progress' ELSE 'succeeded' END, 5, 10, CASE WHEN unfinished THEN 3 ELSE 10 END,
       0, 0, 0, 5, now() - interval '1 day', now(),
       CASE WHEN unfinished THEN NULL ELSE now() - n * interval '1 minute' END,
       CASE WHEN unfinished THEN NULL ELSE now() + (99000 - n) * interval '1 minute' END,
       now() + CASE WHEN n <= 100 THEN interval '-1 second' ELSE interval '1 hour' END, 0
FROM (SELECT n, n <= 1000 AS unfinished FROM generate_series(1, 100000) AS n) AS numbered
"""
MANY_TRANSITIONS = """
INSERT INTO transitions (job_id, version, status, status_version, completed, failed, expired, cancelled, poll_after,
                         updated_at)
SELECT 'job_' || md5(n::text), version, 'in_progress', version, 0, 0, 0, 0, 5, now()
FROM generate_series(1, 20000) AS n, generate_series(1, 5) AS version
"""
MANY_REQUESTS = """
INSERT INTO requests (job_id, position, custom_id, body)
SELECT 'job_' || md5(n::text), position, 'item-' || position, '{"model":"m"}'
FROM generate_series(1, 50) AS n, generate_series(0, 1999) AS position
"""

MANY_RESULTS = """
INSERT INTO results (job_id, position, outcome) SELECT job_id, position, 'completed' FROM requests WHERE position < 1000
"""
MANY_KEYS = """
INSERT INTO idempotency_keys (scope, key, fingerprint, job_id, expires_at)
SELECT '', n::text, '', 'job_' || md5(n::text), now() + (n - 1000) * interval '1 minute'
FROM generate_series(1, 100000) AS n
"""
MANY_PURGES = "INSERT INTO purges SELECT 'job_' || md5(n::text), now() FROM generate_series(1, 20000) AS n"


@pytest.fixture(scope="module")
async def ids(engine: AsyncEngine) -> list[str]:
    """Of 1,000 jobs, once all are there and Postgres has counted them."""
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(MANY_JOBS)
        await driver.execute(MANY_TRANSITIONS)
        await driver.execute(MANY_REQUESTS)
        await driver.execute(MANY_RESULTS)
        await driver.execute(MANY_KEYS)
        await driver.execute(MANY_PURGES)
        await driver.execute("ANALYZE jobs, transitions, requests, results, idempotency_keys, purges")
        rows = await driver.fetch("SELECT 'job_' || md5(n::text) FROM generate_series(1, 1000) AS n")
    return [row[0] for row in rows]


async def test_a_claim_walks_the_index_of_what_is_due(engine: AsyncEngine, plans: Plans) -> None:
    plan = await plans(leases.claim(engine, owner="m", limit=1000, lease=0))

    assert '"Index Name": "jobs_due"' in plan
    assert '"Index Cond": "(due_at <= statement_timestamp())"' in plan
    assert "Seq Scan" not in plan


async def test_a_read_uses_the_primary_key(engine: AsyncEngine, ids: list[str], plans: Plans) -> None:
    plan = await plans(jobs.read(engine, ids[:100]))

    assert '"Index Name": "jobs_pkey"' in plan
    assert "Seq Scan" not in plan


async def test_the_next_due_time_is_the_first_entry_of_the_index(engine: AsyncEngine, plans: Plans) -> None:
    plan = await plans(leases.next_due(engine))

    assert '"Node Type": "Index Only Scan"' in plan
    assert '"Index Name": "jobs_due"' in plan
    assert '"Node Type": "Limit"' in plan


async def test_a_comparison_uses_the_primary_key(engine: AsyncEngine, ids: list[str], plans: Plans) -> None:
    plan = await plans(jobs.differing(engine, [any_job(5, job_id=job_id) for job_id in ids]))

    assert '"Index Name": "jobs_pkey"' in plan
    assert "Seq Scan" not in plan


async def test_a_replay_uses_the_key_of_transitions(engine: AsyncEngine, ids: list[str], plans: Plans) -> None:
    plan = await plans(jobs.statuses_after(engine, {ids[0]: 2}))

    assert '"Index Name": "transitions_pkey"' in plan
    assert "Seq Scan" not in plan


async def test_a_release_uses_the_primary_key(engine: AsyncEngine, ids: list[str], plans: Plans) -> None:
    looks = [Look(one, 30, 0, observed=True) for one in ids]

    plan = await plans(leases.release(engine, "m", looks))

    assert "Seq Scan" not in plan


async def test_requests_are_read_by_a_range_of_their_key(engine: AsyncEngine, ids: list[str], plans: Plans) -> None:
    plan = await plans(anext(requests.lines(engine, ids[0])))

    assert '"Index Name": "requests_pkey"' in plan
    assert "<= 999)" in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("outcome", [None, Outcome.FAILED])
async def test_results_are_read_by_a_range_of_both_keys(
    engine: AsyncEngine, ids: list[str], explained: Explained, outcome: Outcome | None
) -> None:
    present = (await jobs.read(engine, ids[:1]))[ids[0]]
    job = replace(present, status=Status.SUCCEEDED)

    page, begin = await explained(items_of(engine, job, after=99, limit=100, outcome=outcome))

    assert '"Index Name": "requests_pkey"' in page
    assert '"Index Name": "results_pkey"' in page
    assert '"Index Name": "requests_pkey"' in begin
    assert "Seq Scan" not in page + begin


async def test_results_find_their_requests_by_custom_id(engine: AsyncEngine, ids: list[str], plans: Plans) -> None:
    told = [ItemResult(f"item-{n}", Outcome.COMPLETED, "{}") for n in range(1000)]

    plan = await plans(results.add(engine, ids[0], told))

    assert '"Index Name": "requests_job_id_custom_id_key"' in plan
    assert "Seq Scan" not in plan


async def test_a_key_is_taken_by_its_own_index(engine: AsyncEngine, explained: Explained) -> None:
    new = NewJob("job_new", None, "simulator", "/v1/responses", {}, 1, None, 1)
    call = jobs.create(engine, new, [NewRequest("a", "{}")], once=Once("", "new", b"", keep=60))

    claim, *_ = await explained(call)

    assert '"Conflict Arbiter Indexes": ["idempotency_keys_pkey"]' in claim
    assert "Seq Scan" not in claim


async def test_a_history_uses_the_key_of_transitions(engine: AsyncEngine, ids: list[str], plans: Plans) -> None:
    plan = await plans(endings.history(engine, ids[0], after=2, limit=100))

    assert '"Index Name": "transitions_pkey"' in plan
    assert "Seq Scan" not in plan


async def test_a_cancel_uses_the_primary_key(engine: AsyncEngine, ids: list[str], explained: Explained) -> None:
    asked = await explained(endings.cancel(engine, ids[500], results_keep=60))

    assert not any("Seq Scan" in plan for plan in asked)


async def test_a_delete_uses_an_index_of_each_table(engine: AsyncEngine, plans: Plans) -> None:
    plan = await plans(endings.delete(engine, "job_unknown"))

    for index in ("jobs_pkey", "transitions_pkey", "idempotency_keys_of_job"):
        assert f'"Index Name": "{index}"' in plan
    assert "Seq Scan" not in plan


async def test_results_that_expire_are_found_by_their_index(engine: AsyncEngine, plans: Plans) -> None:
    plan = await plans(retention.expire_results(engine, limit=100))

    assert '"Index Name": "jobs_results_expiring"' in plan
    assert '"Index Cond": "(results_expire_at <= statement_timestamp())"' in plan
    assert "Seq Scan" not in plan


async def test_jobs_that_ended_long_ago_are_found_and_deleted_by_indexes(engine: AsyncEngine, plans: Plans) -> None:
    plan = await plans(retention.expire_jobs(engine, jobs_keep=60 * 86_400, limit=100))

    for index in ("jobs_finished", "transitions_pkey", "idempotency_keys_of_job"):
        assert f'"Index Name": "{index}"' in plan
    assert "Seq Scan" not in plan


async def test_keys_that_expire_are_found_by_their_index(engine: AsyncEngine, plans: Plans) -> None:
    plan = await plans(retention.expire_keys(engine, limit=100))

    assert '"Index Name": "idempotency_keys_expiring"' in plan
    assert "Seq Scan" not in plan


async def test_rows_are_purged_by_the_order_of_their_keys(engine: AsyncEngine, explained: Explained) -> None:
    choose, from_requests, from_results, *_ = await explained(purges.purge(engine, rows=1000))

    assert '"Index Name": "purges_queued"' in choose
    assert '"Index Name": "requests_pkey"' in from_requests
    assert '"Index Name": "results_pkey"' in from_results
    assert not any("Seq Scan" in plan for plan in (choose, from_requests, from_results))
