"""What is over is deleted beside the sweeps, a little at a time, and those who watch are told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.errors import Unavailable
from polling_api.monitor.retention import Retention
from polling_api.store import endings, jobs, leases
from polling_api.store.engine import connect, transaction

Submit = Callable[..., Awaitable[str]]
Sql = Callable[..., Awaitable[Any]]
Ended = Callable[..., Awaitable[str]]

DAY = 86_400.0
LEFT = "SELECT (SELECT count(*) FROM requests) + (SELECT count(*) FROM purges) + (SELECT count(*) FROM jobs)"

MONTHS = """
SELECT json_agg(relname ORDER BY relname) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'audit'::regclass AND relname < 'audit_2025'
"""


class Deleted:
    """What was told of deleted jobs."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.told = asyncio.Event()

    async def publish(self, ids: Sequence[str]) -> None:
        self.ids += ids
        if ids:
            self.told.set()


@pytest.fixture
def deleted() -> Deleted:
    return Deleted()


@pytest.fixture
async def own_engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    """Connections that can be told from the test's."""
    pool = connect(
        postgres_url, pool_size=2, max_overflow=0, pool_timeout=5, statement_timeout=5, application_name="retention"
    )
    yield pool
    await pool.dispose()


@pytest.fixture
def retaining(engine: AsyncEngine, deleted: Deleted) -> Callable[..., Retention]:
    def make(every: float = 20, jobs_keep: float = DAY) -> Retention:
        return Retention(engine, deleted.publish, jobs_keep=jobs_keep, audit_keep=DAY, every=every)

    return make


@pytest.fixture
def ended(engine: AsyncEngine, submit: Submit, sql: Sql) -> Ended:
    """A job that ended `age` seconds ago, and kept its results for half a day."""

    async def end(age: float, *, items: int = 4) -> str:
        job_id = await submit(items=items)
        await endings.cancel(engine, job_id, results_keep=DAY / 2)
        past = "finished_at = finished_at - {0}, results_expire_at = results_expire_at - {0}"
        aged = past.format(f"{age} * interval '1 s'")
        await sql(f"UPDATE jobs SET {aged} WHERE id = :id", id=job_id)  # noqa: S608
        return job_id

    return end


async def test_a_turn_deletes_what_is_over_and_nothing_else(
    engine: AsyncEngine, retaining: Any, ended: Ended, submit: Submit, sql: Sql
) -> None:
    over, without_results, young = await ended(2 * DAY), await ended(0.7 * DAY), await ended(0)
    unfinished = await submit()

    await retaining().turn()

    assert set(await jobs.read(engine, [over, without_results, young, unfinished])) == {
        without_results,
        young,
        unfinished,
    }
    kept = await sql("SELECT json_agg(DISTINCT job_id) FROM requests")
    assert set(kept) == {young, unfinished}


async def test_a_turn_does_whatever_there_is(retaining: Any, ended: Ended, sql: Sql) -> None:
    for _ in range(3):
        await ended(2 * DAY, items=1500)
    await sql("INSERT INTO purges SELECT 'job_' || n, now() FROM generate_series(1, 500) AS n")

    await retaining().turn()

    assert await sql(LEFT) == 0


async def test_a_turn_ends_in_time_and_the_next_goes_on(retaining: Any, ended: Ended, sql: Sql) -> None:
    await ended(2 * DAY, items=5000)
    hasty = retaining(every=0.01)  # enough for one step of each kind

    await hasty.turn()
    after_one = await sql("SELECT count(*) FROM requests")
    await hasty.turn()

    assert after_one == 4000
    assert await sql("SELECT count(*) FROM requests") == 3000


async def test_deleted_jobs_are_told_after_they_are_gone(engine: AsyncEngine, ended: Ended, deleted: Deleted) -> None:
    ids = {await ended(2 * DAY) for _ in range(3)}
    found: list[str] = []

    async def publish(gone: Sequence[str]) -> None:
        found.extend(await jobs.read(engine, gone))
        await deleted.publish(gone)

    await Retention(engine, publish, jobs_keep=DAY, audit_keep=DAY, every=20).turn()

    assert set(deleted.ids) == ids
    assert found == []


async def test_it_goes_on_by_itself_and_after_the_database_hung_up(
    own_engine: AsyncEngine, ended: Ended, deleted: Deleted, sql: Sql
) -> None:
    retention = Retention(own_engine, deleted.publish, jobs_keep=DAY, audit_keep=DAY, every=0.05)
    running = asyncio.create_task(retention.run())

    first = await ended(2 * DAY)
    await asyncio.wait_for(deleted.told.wait(), timeout=10)
    await sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'retention'")
    deleted.told.clear()
    second = await ended(2 * DAY)
    await asyncio.wait_for(deleted.told.wait(), timeout=10)
    running.cancel()
    await asyncio.wait([running])

    assert deleted.ids == [first, second]


async def test_stopping_it_leaves_nothing_half_done(
    engine: AsyncEngine, retaining: Any, ended: Ended, sql: Sql
) -> None:
    ids = [await ended(2 * DAY) for _ in range(20)]
    turns = [asyncio.create_task(retaining().turn()) for _ in range(4)]

    for turn in turns:
        await leases.next_due(engine)  # as long as it takes to be in the middle of something
        turn.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*turns)

    left = set(await jobs.read(engine, ids))
    queued = set(await sql("SELECT coalesce(json_agg(job_id), '[]') FROM purges"))
    unpurged = set(await sql("SELECT coalesce(json_agg(DISTINCT job_id), '[]') FROM requests"))
    assert unpurged - left <= queued


async def test_the_months_of_the_audit_log_come_and_go_with_the_clock(
    engine: AsyncEngine, deleted: Deleted, sql: Sql
) -> None:
    moment = datetime(2021, 3, 15, tzinfo=UTC)

    async def now() -> datetime:
        return moment

    retention = Retention(engine, deleted.publish, jobs_keep=DAY, audit_keep=365 * DAY, every=20, now=now)
    await retention.turn()
    made = await sql(MONTHS)
    moment = datetime(2022, 4, 1, tzinfo=UTC)
    await retention.turn()
    a_year_later = await sql(MONTHS)

    assert made == [f"audit_2021_0{month}" for month in (3, 4, 5, 6)]
    assert a_year_later == [
        *(f"audit_2021_0{month}" for month in (4, 5, 6)),
        *(f"audit_2022_0{month}" for month in (3, 4, 5, 6, 7)),
    ]


async def test_a_log_that_is_in_use_keeps_the_turn_from_nothing_else(
    engine: AsyncEngine, retaining: Any, ended: Ended, deleted: Deleted, sql: Sql
) -> None:
    await sql("CREATE TABLE audit_2001_01 PARTITION OF audit FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')")
    job_id = await ended(2 * DAY)
    async with transaction(engine) as backup:
        await backup.execute(text("SELECT count(*) FROM audit"))

        with pytest.raises(Unavailable):
            await retaining().turn()

    assert deleted.ids == [job_id]
    await retaining().turn()
    assert "audit_2001_01" not in (await sql(MONTHS) or [])


async def test_two_side_by_side_leave_nothing(retaining: Any, ended: Ended, deleted: Deleted, sql: Sql) -> None:
    ids = {await ended(2 * DAY, items=30) for _ in range(20)}

    await asyncio.gather(*(retaining().turn() for _ in range(3)))
    await retaining().turn()

    assert sorted(deleted.ids) == sorted(ids)
    assert await sql(LEFT) == 0
