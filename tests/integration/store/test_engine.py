"""Reaching Postgres: time limits, restarts, and callers who go away in the middle."""

import asyncio
import os
import signal
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from itertools import count
from time import monotonic
from types import coroutine
from typing import Any

import pytest
from asyncpg import InternalClientError
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job, new_job_id
from polling_api.errors import Unavailable
from polling_api.logs import mask
from polling_api.store import jobs, leases
from polling_api.store.availability import Away, answering
from polling_api.store.engine import connect, driver_url, statements, transaction
from polling_api.store.jobs import NewJob, NewRequest

Submit = Callable[..., Awaitable[Job]]
Sql = Callable[..., Awaitable[Any]]

GIVEN = "a body; it's \"nobody's\" business"
MOMENTS = 40  # a submit waits some 20 times, a first one more for its connection
OPEN_TRANSACTIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'one' AND datname = current_database() AND state LIKE 'idle in transaction%'
"""


@pytest.fixture
async def one(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    """A pool of a single connection, whose statements may take half a second."""
    pool = pool_of_one(postgres_url)
    yield pool
    await pool.dispose()


def pool_of_one(url: str, statement_timeout: float = 0.5) -> AsyncEngine:
    return connect(
        url,
        pool_size=1,
        max_overflow=0,
        pool_timeout=0.3,
        statement_timeout=statement_timeout,
        application_name="one",
    )


@contextmanager
def thawed_afterwards(pid: int) -> Generator[None, None, None]:
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def backend(engine: AsyncEngine) -> int:
    async with statements(engine) as connection:
        return await connection.scalar(text("SELECT pg_backend_pid()"))


@pytest.mark.parametrize(
    "url",
    [
        "postgres://me:secret@db:5433/polling",
        "postgresql://me:secret@db:5433/polling",
        "postgresql+asyncpg://me:secret@db:5433/polling",
    ],
)
def test_any_spelling_of_an_address_is_taken(url: str) -> None:
    spelt = driver_url(url).render_as_string(hide_password=False)

    assert spelt == "postgresql+asyncpg://me:secret@db:5433/polling"


def test_what_other_programs_call_an_option_is_understood() -> None:
    url = driver_url("postgres://db/polling?sslmode=require&statement_cache_size=0")

    assert dict(url.query) == {"ssl": "require", "statement_cache_size": "0"}


async def test_statements_work_without_their_caches_for_pgbouncer(postgres_url: str) -> None:
    pool = pool_of_one(f"{postgres_url}&statement_cache_size=0&prepared_statement_cache_size=0")

    assert await jobs.read(pool, ["job_unknown"]) == {}

    await pool.dispose()


async def test_a_statement_that_is_too_slow_is_ended_by_the_server_which_keeps_the_connection(
    one: AsyncEngine,
) -> None:
    pid = await backend(one)

    async def dawdle() -> None:
        async with statements(one) as connection:
            await connection.execute(text("SELECT pg_sleep(30)"))

    with pytest.raises(Unavailable) as refusal:
        await dawdle()

    assert refusal.value.retry_after in {2, 3, 4}
    assert await backend(one) == pid


async def test_a_mistake_in_a_statement_is_no_outage(one: AsyncEngine) -> None:
    with pytest.raises(ProgrammingError):
        async with statements(one) as connection:
            await connection.execute(text("SELECT nonsense"))


async def test_an_address_where_nobody_listens_is_an_outage() -> None:
    pool = pool_of_one("postgresql://me@127.0.0.1:9/polling")

    with pytest.raises(Unavailable):
        await jobs.read(pool, ["job_unknown"])


async def test_a_pool_without_a_free_connection_is_an_outage(one: AsyncEngine) -> None:
    async with statements(one):
        with pytest.raises(Unavailable):
            await jobs.read(one, ["job_unknown"])


async def test_a_connection_that_the_server_ended_is_replaced_unnoticed(one: AsyncEngine, sql: Sql) -> None:
    pid = await backend(one)
    await sql("SELECT pg_terminate_backend(:pid, 5000)", pid=pid)

    assert await backend(one) != pid


async def test_a_connection_that_dies_within_a_call_is_an_outage(one: AsyncEngine, sql: Sql) -> None:
    async def ask_and_be_cut() -> None:
        async with statements(one) as connection:
            pid = await connection.scalar(text("SELECT pg_backend_pid()"))
            await sql("SELECT pg_terminate_backend(:pid, 5000)", pid=pid)
            await connection.execute(text("SELECT 1"))

    with pytest.raises(Unavailable):
        await ask_and_be_cut()


async def test_a_connection_that_ends_while_it_is_set_up_is_an_outage(one: AsyncEngine) -> None:
    @event.listens_for(one.sync_engine, "connect", insert=True)
    def cut(connection: Any, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.driver_connection.terminate()

    with pytest.raises(Away):
        async with statements(one):
            pass


def test_a_driver_that_cannot_leave_its_state_is_an_outage() -> None:
    with pytest.raises(Away), answering():
        raise InternalClientError("cannot switch to state 15; another operation (2) is in progress")


async def test_a_frozen_server_is_noticed_and_its_connection_given_up(one: AsyncEngine) -> None:
    pid = await backend(one)
    began = monotonic()

    with thawed_afterwards(pid):
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Unavailable):
            await leases.next_due(one)
        took = monotonic() - began
        replaced = await backend(one)

    assert took < 15  # some three on a machine that is not busy; for good, without a deadline
    assert replaced != pid


async def test_a_server_frozen_in_the_middle_of_a_batch_is_noticed_and_not_waited_for_again(
    postgres_url: str,
) -> None:
    pool = pool_of_one(postgres_url, statement_timeout=20)
    pid = await backend(pool)
    began = monotonic()

    with thawed_afterwards(pid), pytest.raises(Unavailable):
        await jobs.create(pool, batch(total=40), freezing(pid), within=1)

    assert monotonic() - began < 15  # a statement may take 20
    await pool.dispose()


async def test_a_caller_who_goes_away_at_any_moment_leaves_no_transaction_and_no_half_job(
    one: AsyncEngine, sql: Sql
) -> None:
    outcomes = [await submitted_and_cut_off(one, moment) for moment in range(1, MOMENTS)]

    assert await sql(OPEN_TRANSACTIONS) == 0
    assert set(outcomes) == {(False, 0), (True, 2)}


async def test_the_next_user_of_the_pool_commits_after_a_caller_went_away(one: AsyncEngine) -> None:
    stored = [await cut_off_then_submit(one, moment) for moment in range(1, MOMENTS)]

    assert set(stored) == {True}


async def test_the_next_user_of_the_pool_commits_after_a_server_that_was_frozen_goes_on(
    one: AsyncEngine, sql: Sql
) -> None:
    pid, new = await backend(one), batch(total=1)
    with thawed_afterwards(pid):
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Unavailable):
            await jobs.create(one, batch(total=1), [NewRequest("a", "{}")])

    await jobs.create(one, new, [NewRequest("a", "{}")])

    assert await sql("SELECT count(*) FROM jobs WHERE id = :id", id=new.id) == 1


async def test_what_fails_in_a_transaction_is_rolled_back(one: AsyncEngine, submit: Submit, sql: Sql) -> None:
    job = await submit()

    async def write_and_fail() -> None:
        async with transaction(one) as connection:
            await connection.execute(text("UPDATE jobs SET attempts = 9"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()

    assert await sql("SELECT attempts FROM jobs WHERE id = :id", id=job.id) == 0


def batch(total: int) -> NewJob:
    return NewJob(new_job_id(), None, "simulator", "/v1/responses", {}, total, None, 1)


def freezing(pid: int) -> Iterator[NewRequest]:
    yield NewRequest("first", "{}")
    os.kill(pid, signal.SIGSTOP)
    yield from (NewRequest(f"item-{n}", f'"{"x" * 1_000_000}"') for n in range(39))


@coroutine
def cut_off(call: Coroutine[Any, Any, Any], moment: int) -> Generator[Any, None, None]:
    """Run a call, and cancel it where it waits for the nth time, as a client's going away does."""
    resume: Any = call.send
    argument: Any = None
    for wait in count(1):
        try:
            awaited = resume(argument)
        except (StopIteration, asyncio.CancelledError):
            return
        if wait == moment and awaited is not None:
            awaited.cancel()
        try:
            yield awaited
            resume, argument = call.send, None
        except BaseException as error:  # noqa: BLE001 -- the call is to see all of them
            resume, argument = call.throw, error


async def submitted_and_cut_off(engine: AsyncEngine, moment: int) -> tuple[bool, int]:
    new = batch(total=2)
    await cut_off(jobs.create(engine, new, [NewRequest("a", "{}"), NewRequest("b", "{}")]), moment)
    async with statements(engine) as connection:
        number = text("SELECT count(*) FROM requests WHERE job_id = :id")
        stored = await connection.scalar(number, {"id": new.id})
    return new.id in await jobs.read(engine, [new.id]), stored


async def cut_off_then_submit(engine: AsyncEngine, moment: int) -> bool:
    await cut_off(jobs.create(engine, batch(1), [NewRequest("a", "{}")]), moment)
    job = (await jobs.create(engine, batch(1), [NewRequest("a", "{}")])).job
    await engine.dispose()
    return job.id in await jobs.read(engine, [job.id])


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT CAST(:given AS integer)",
        "SELECT CAST(CAST(:given AS text) AS integer)",
        "INSERT INTO purges (job_id) VALUES (CAST(:given AS text)), (:given)",
        "SELECT nothing FROM purges WHERE job_id = :given",
    ],
)
async def test_what_a_statement_was_given_is_not_in_the_log_of_its_error(engine: AsyncEngine, statement: str) -> None:
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError) as raised:
            await connection.execute(text(statement), {"given": GIVEN})

    told = mask("".join(traceback.format_exception(raised.value)))
    assert GIVEN not in told
    assert "[SQL: " in told, "which statement it was stays readable"
