"""What has been kept long enough goes, a little at a time, whoever else is at it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.stored_results import items_of
from polling_api.domain.job import Job, Outcome
from polling_api.domain.result import ItemResult, Stray, StrayKind
from polling_api.errors import Gone
from polling_api.store import endings, jobs, purges, results, retention, strays
from polling_api.store.engine import transaction
from polling_api.store.jobs import NewRequest, Once
from polling_api.store.purges import Purged

Submit = Callable[..., Awaitable[Job]]
Sql = Callable[..., Awaitable[Any]]

pytestmark = pytest.mark.usefixtures("empty")

AGE = """
UPDATE jobs SET finished_at = finished_at - :age * interval '1 s',
                results_expire_at = results_expire_at - :age * interval '1 s' WHERE id = :id
"""
LARGE_RESPONSES = "UPDATE results SET response = repeat('x', CASE position WHEN 0 THEN 2000 ELSE 1000 END)"
BULK = "SELECT (SELECT count(*) FROM requests) + (SELECT count(*) FROM results) + (SELECT count(*) FROM strays)"
DAY = 86_400.0


@pytest.fixture
def finished(engine: AsyncEngine, submit: Submit, sql: Sql) -> Callable[..., Awaitable[Job]]:
    """A job that ended `age` seconds ago, whose results were to be kept for a day."""

    async def end(age: float = 0, *, total: int = 3) -> Job:
        job = await submit(total=total)
        await results.add(engine, job.id, [ItemResult("item-0", Outcome.COMPLETED, "{}")])
        await strays.keep(engine, job.id, [(1, Stray(StrayKind.UNREADABLE, "?"))])
        await endings.cancel(engine, job.id, results_keep=DAY)
        await sql(AGE, id=job.id, age=age)
        return (await jobs.read(engine, [job.id]))[job.id]

    return end


async def purge_all(engine: AsyncEngine, rows: int = 1000, most_bytes: int = purges.MOST_BYTES) -> list[Purged]:
    """Purge until nothing is left; what each transaction deleted."""
    done: list[Purged] = []
    while (purged := await purges.purge(engine, rows=rows, most_bytes=most_bytes)) != Purged(0, 0):
        done.append(purged)
    return done


async def test_results_that_have_expired_are_given_up_and_purged(engine: AsyncEngine, finished: Any, sql: Sql) -> None:
    old, young = await finished(DAY + 1, total=5), await finished(DAY - 60, total=2)

    assert await retention.expire_results(engine, limit=10) == [old.id]
    await purge_all(engine)

    for table in ("requests", "results", "strays"):
        assert await sql(f"SELECT json_agg(DISTINCT job_id) FROM {table}") == [young.id]  # noqa: S608
    assert await sql("SELECT count(*) FROM purges") == 0


async def test_a_job_whose_results_are_gone_looks_as_it_did(engine: AsyncEngine, finished: Any) -> None:
    job = await finished(DAY + 1)
    told = await endings.history(engine, job.id, after=0, limit=10)

    await retention.expire_results(engine, limit=10)
    await purge_all(engine)

    assert await jobs.read(engine, [job.id]) == {job.id: job}
    assert await endings.history(engine, job.id, after=0, limit=10) == told


async def test_results_are_given_up_once(engine: AsyncEngine, finished: Any) -> None:
    await finished(DAY + 1)

    assert len(await retention.expire_results(engine, limit=10)) == 1
    assert await retention.expire_results(engine, limit=10) == []


async def test_the_oldest_go_first_and_no_more_than_were_asked_for(engine: AsyncEngine, finished: Any) -> None:
    ages = (2, 5, 3, 4)
    ids = {age: (await finished(age * DAY)).id for age in ages}

    assert set(await retention.expire_results(engine, limit=2)) == {ids[5], ids[4]}
    assert set(await retention.expire_jobs(engine, jobs_keep=DAY, limit=3)) == {ids[5], ids[4], ids[3]}


async def test_a_job_that_ended_long_enough_ago_is_gone_with_all_it_had(
    engine: AsyncEngine, finished: Any, sql: Sql
) -> None:
    old, young = await finished(10 * DAY), await finished(9 * DAY)

    assert await retention.expire_jobs(engine, jobs_keep=9.5 * DAY, limit=10) == [old.id]
    await purge_all(engine)

    assert list(await jobs.read(engine, [old.id, young.id])) == [young.id]
    for table in ("transitions", "requests", "results", "strays"):
        assert await sql(f"SELECT json_agg(DISTINCT job_id) FROM {table}") == [young.id]  # noqa: S608


async def test_a_job_goes_with_its_key(engine: AsyncEngine, sql: Sql) -> None:
    new = jobs.NewJob("job_old", None, "simulator", "/v1/responses", {}, 1, None, 1)
    await jobs.create(engine, new, [NewRequest("a", "{}")], once=Once("", "key", b"", keep=60))
    await endings.cancel(engine, new.id, results_keep=0)

    await retention.expire_jobs(engine, jobs_keep=0, limit=10)

    assert await sql("SELECT count(*) FROM idempotency_keys") == 0


async def test_unfinished_jobs_are_kept_however_old(engine: AsyncEngine, submit: Submit, sql: Sql) -> None:
    job = await submit()
    await sql("UPDATE jobs SET created_at = now() - interval '10 years', due_at = now() - interval '10 years'")

    assert await retention.expire_results(engine, limit=10) == []
    assert await retention.expire_jobs(engine, jobs_keep=0, limit=10) == []
    assert list(await jobs.read(engine, [job.id])) == [job.id]


async def test_no_transaction_purges_more_rows_than_it_may(engine: AsyncEngine, finished: Any) -> None:
    for total in (300, 5, 7):
        await finished(DAY + 1, total=total)
    await retention.expire_results(engine, limit=10)

    done = await purge_all(engine, rows=100)

    assert sum(purged.rows for purged in done) == 312 + 3 + 3
    assert max(purged.rows for purged in done) == 100
    assert sum(purged.jobs for purged in done) == 3


@pytest.mark.parametrize("table", ["requests", "results"])
async def test_no_transaction_purges_more_text_than_it_may_but_always_a_row(
    engine: AsyncEngine, submit: Submit, sql: Sql, table: str
) -> None:
    job = await submit(total=4)
    await results.add(engine, job.id, [ItemResult(f"item-{n}", Outcome.COMPLETED, "{}") for n in range(4)])
    await sql("UPDATE requests SET body = repeat('x', 1000)" if table == "requests" else LARGE_RESPONSES)
    await queue_for_purging(engine, job.id)

    done = await purge_all(engine, most_bytes=1500)

    assert [purged.rows for purged in done] == ([2, 6] if table == "requests" else [4 + 1, 2, 1])
    assert [purged.jobs for purged in done] == ([0, 1] if table == "requests" else [0, 0, 1])


@pytest.mark.parametrize("after", [None, 98, 99, 250])
async def test_no_page_of_results_that_are_being_purged_passes_for_the_whole(
    engine: AsyncEngine, finished: Any, after: int | None
) -> None:
    job = await finished(DAY + 1, total=300)
    await retention.expire_results(engine, limit=10)
    await purges.purge(engine, rows=100)

    whole = await items_of(engine, job, after=99, limit=50)
    await purge_all(engine)

    assert [item.index for item in whole] == list(range(100, 150))
    with pytest.raises(Gone) as gone:
        await items_of(engine, job, after=after, limit=50)
    assert gone.value.code == "results_expired"


async def test_a_page_whose_beginning_is_purged_is_gone(engine: AsyncEngine, finished: Any) -> None:
    job = await finished(DAY + 1, total=300)
    await retention.expire_results(engine, limit=10)
    await purges.purge(engine, rows=100)

    with pytest.raises(Gone):
        await items_of(engine, job, after=89, limit=50)


async def test_what_is_queued_without_rows_is_done_with_at_once(engine: AsyncEngine, sql: Sql) -> None:
    await sql("INSERT INTO purges SELECT 'job_' || n, now() FROM generate_series(1, 150) AS n")

    done = await purge_all(engine)

    assert [(purged.rows, purged.jobs) for purged in done] == [(0, 100), (0, 50)]


async def test_deleting_a_job_whose_results_are_being_purged_queues_it_once(
    engine: AsyncEngine, finished: Any, sql: Sql
) -> None:
    job = await finished(DAY + 1)
    await retention.expire_results(engine, limit=10)

    assert await endings.delete(engine, job.id)

    assert await sql("SELECT count(*) FROM purges") == 1
    await purge_all(engine)
    assert await sql(BULK) == 0


async def test_two_who_retain_at_once_share_the_work(engine: AsyncEngine, finished: Any, sql: Sql) -> None:
    ids = {(await finished(DAY + 1, total=40)).id for _ in range(30)}

    taken = await asyncio.gather(*(retention.expire_results(engine, limit=10) for _ in range(3)))
    assert {job_id for some in taken for job_id in some} <= ids
    assert sum(map(len, taken)) == len({job_id for some in taken for job_id in some})
    await retention.expire_results(engine, limit=30)
    done = await asyncio.gather(*(purge_all(engine, rows=50) for _ in range(3)))

    assert sum(purged.rows for some in done for purged in some) == 30 * (40 + 2)
    assert await sql(BULK) == await sql("SELECT count(*) FROM purges") == 0


async def test_what_another_has_in_hand_is_passed_over_and_not_waited_for(engine: AsyncEngine, finished: Any) -> None:
    theirs, ours = await finished(3 * DAY), await finished(2 * DAY)
    await queue_for_purging(engine, theirs.id, ours.id)

    async with transaction(engine) as other:
        await other.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": theirs.id})
        await other.execute(text("SELECT FROM purges WHERE job_id = :id FOR UPDATE"), {"id": theirs.id})
        async with asyncio.timeout(15):
            expired = await retention.expire_results(engine, limit=10)
            gone = await retention.expire_jobs(engine, jobs_keep=DAY, limit=10)
            purged = await purge_all(engine)

    assert expired == gone == [ours.id]
    assert sum(one.jobs for one in purged) == 1


async def test_keys_that_have_expired_are_deleted(engine: AsyncEngine, sql: Sql) -> None:
    for key, keep in (("old", -1.0), ("older", -2.0), ("young", 60.0)):
        new = jobs.NewJob(f"job_{key}", None, "simulator", "/v1/responses", {}, 1, None, 1)
        await jobs.create(engine, new, [NewRequest("a", "{}")], once=Once("", key, b"", keep=keep))

    assert await retention.expire_keys(engine, limit=1) == 1
    assert await retention.expire_keys(engine, limit=10) == 1
    assert await sql("SELECT key FROM idempotency_keys") == "young"


async def queue_for_purging(engine: AsyncEngine, *ids: str) -> None:
    async with transaction(engine) as connection:
        queue = text("INSERT INTO purges SELECT unnest(CAST(:ids AS text[])), now()")
        await connection.execute(queue, {"ids": list(ids)})
