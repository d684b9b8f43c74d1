"""One key, one job: repeated, at the same moment, by mistake, too late, or after a crash."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.advance import Transition
from polling_api.domain.job import Job, Progress, Status, new_job_id
from polling_api.errors import Conflict, Invalid
from polling_api.store import endings, jobs, leases
from polling_api.store.changes import Change
from polling_api.store.engine import transaction
from polling_api.store.jobs import Created, NewJob, NewRequest, Once

Sql = Callable[..., Awaitable[Any]]
Storing = Callable[[], AbstractAsyncContextManager[asyncio.Task[Created]]]

pytestmark = pytest.mark.usefixtures("empty")

ONCE = Once(scope="", key="00000000-0000-4000-8000-000000000001", fingerprint=b"what was sent", keep=3600)


def new_job(total: int = 1) -> NewJob:
    return NewJob(new_job_id(), None, "simulator", "/v1/responses", {}, total, None, 1)


async def submit(engine: AsyncEngine, once: Once = ONCE) -> Created:
    return await jobs.create(engine, new_job(), [NewRequest("a", "{}")], once=once)


async def ended(engine: AsyncEngine, job: Job) -> Job:
    await leases.claim(engine, owner="m", limit=10, lease=30)
    change = Change(
        job_id=job.id,
        from_version=job.version,
        transition=Transition(Status.SUCCEEDED, Progress(total=1, completed=1)),
        poll_after=1,
        observed=True,
    )
    [end] = await leases.save(engine, "m", [change], results_keep=60)
    return end


@pytest.fixture
def storing(engine: AsyncEngine, in_line: Callable[[int], Awaitable[None]]) -> Storing:
    """A submission that has stored its requests, and does not come to its end for the time of a block."""

    @asynccontextmanager
    async def store() -> AsyncGenerator[asyncio.Task[Created]]:
        async with transaction(engine) as locking:
            # Keeps it from the job's first version, which comes last.
            await locking.execute(text("LOCK TABLE transitions IN SHARE MODE"))
            task = asyncio.create_task(submit(engine))
            await in_line(1)
            yield task
        await asyncio.wait([task])

    return store


async def test_the_first_submission_under_a_key_is_stored_and_the_second_finds_it(engine: AsyncEngine) -> None:
    first = await submit(engine)
    second = await submit(engine)

    assert first.replayed is False
    assert second == Created(first.job, replayed=True)


async def test_a_replay_reads_no_request_and_stores_nothing(engine: AsyncEngine, sql: Sql) -> None:
    await submit(engine)

    def unread() -> Iterator[NewRequest]:
        raise AssertionError
        yield

    await jobs.create(engine, new_job(), unread(), once=ONCE)

    assert await sql("SELECT count(*) FROM requests") == 1
    assert await sql("SELECT count(*) FROM jobs") == 1


async def test_a_replay_gives_the_job_as_it_is_by_now(engine: AsyncEngine) -> None:
    end = await ended(engine, (await submit(engine)).job)

    assert await submit(engine) == Created(end, replayed=True)


async def test_a_key_that_came_with_something_else_is_refused(engine: AsyncEngine, sql: Sql) -> None:
    await submit(engine)

    with pytest.raises(Invalid) as refused:
        await submit(engine, replace(ONCE, fingerprint=b"something else"))

    assert refused.value.code == "idempotency_key_reused"
    assert await sql("SELECT count(*) FROM jobs") == 1


async def test_the_same_key_of_somebody_else_is_another_key(engine: AsyncEngine) -> None:
    first = await submit(engine)
    other = await submit(engine, replace(ONCE, scope="client_1"))

    assert other.replayed is False
    assert other.job.id != first.job.id


async def test_submissions_without_a_key_are_all_different(engine: AsyncEngine) -> None:
    first, second = [await jobs.create(engine, new_job(), [NewRequest("a", "{}")]) for _ in range(2)]

    assert first.job.id != second.job.id


async def test_a_twin_is_told_to_come_back_while_the_first_is_being_stored(
    engine: AsyncEngine, storing: Storing
) -> None:
    async with storing() as first:
        async with asyncio.timeout(15):  # it does not wait for the first
            with pytest.raises(Conflict) as told:
                await submit(engine)
        assert not first.done()

    assert (told.value.code, told.value.retry_after) == ("idempotency_in_progress", 1)
    assert await submit(engine, replace(ONCE)) == Created((await first).job, replayed=True)


async def test_of_many_twins_at_once_one_makes_the_job_and_the_others_find_it_or_come_back(
    engine: AsyncEngine, sql: Sql
) -> None:
    told = await asyncio.gather(*(submit(engine) for _ in range(12)), return_exceptions=True)

    created = [answer for answer in told if isinstance(answer, Created)]
    refused = [answer for answer in told if isinstance(answer, Conflict)]
    assert len(created) + len(refused) == 12
    assert [answer.replayed for answer in created].count(False) == 1
    assert len({answer.job.id for answer in created}) == 1
    assert await sql("SELECT count(*) FROM jobs") == 1


async def test_a_refused_submission_leaves_no_key(engine: AsyncEngine, sql: Sql) -> None:
    with pytest.raises(Invalid, match="custom_id"):
        await jobs.create(engine, new_job(2), [NewRequest("a", "{}"), NewRequest("a", "{}")], once=ONCE)

    assert await sql("SELECT count(*) FROM idempotency_keys") == 0
    assert (await submit(engine, replace(ONCE, fingerprint=b"put right"))).replayed is False


async def test_a_submission_whose_connection_broke_leaves_no_key(
    engine: AsyncEngine, storing: Storing, sql: Sql
) -> None:
    hang_up = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with storing() as first:
        await sql(hang_up)
        await asyncio.wait([first])

    assert first.exception()
    assert (await submit(engine)).replayed is False


async def test_a_key_that_has_expired_is_free_again(engine: AsyncEngine) -> None:
    first = await submit(engine, replace(ONCE, keep=-1))
    second = await submit(engine, replace(ONCE, fingerprint=b"something else"))
    third = await submit(engine, replace(ONCE, fingerprint=b"something else"))

    assert second.replayed is False
    assert second.job.id != first.job.id
    assert third == Created(second.job, replayed=True)


async def test_a_replay_keeps_a_key_no_longer(engine: AsyncEngine, sql: Sql) -> None:
    await submit(engine)
    until = await sql("SELECT expires_at FROM idempotency_keys")

    await submit(engine, replace(ONCE, keep=7200))

    assert await sql("SELECT expires_at FROM idempotency_keys") == until


async def test_the_key_of_a_deleted_job_is_free_again(engine: AsyncEngine) -> None:
    first = await submit(engine)
    await ended(engine, first.job)
    await endings.delete(engine, first.job.id)

    second = await submit(engine, replace(ONCE, fingerprint=b"something else"))

    assert second.replayed is False
    assert second.job.id != first.job.id


async def test_a_key_costs_one_statement(engine: AsyncEngine, asked: Any) -> None:
    without = await asked(jobs.create(engine, new_job(), [NewRequest("a", "{}")]))
    with_key = await asked(submit(engine))

    assert len(with_key) == len(without) + 1
