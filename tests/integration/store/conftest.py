"""Jobs to try the store on, and a way to see what it asks of Postgres."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, Protocol

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job, new_job_id
from polling_api.store import jobs
from polling_api.store.engine import transaction
from polling_api.store.jobs import NewJob, NewRequest
from running.emptying import delete_all


class Submit(Protocol):
    """Store a job."""

    async def __call__(
        self,
        total: int = ...,
        *,
        metadata: dict[str, str] | None = None,
        client_id: str | None = None,
        expires_in: float | None = None,
    ) -> Job: ...


@pytest.fixture(scope="module")
def submit(engine: AsyncEngine) -> Submit:
    async def store(
        total: int = 3,
        *,
        metadata: dict[str, str] | None = None,
        client_id: str | None = None,
        expires_in: float | None = None,
    ) -> Job:
        new = NewJob(
            id=new_job_id(),
            client_id=client_id,
            provider="simulator",
            endpoint="/v1/chat/completions",
            metadata=metadata or {},
            total=total,
            expires_in=expires_in,
            poll_after=2,
        )
        requests = (NewRequest(f"item-{n}", f'{{"n":{n}}}') for n in range(total))
        return (await jobs.create(engine, new, requests)).job

    return store


@pytest.fixture
async def empty(engine: AsyncEngine) -> None:
    """No jobs of other tests, for those that claim whatever is due."""
    async with transaction(engine) as connection:
        await delete_all(connection)


@pytest.fixture
def sql(engine: AsyncEngine) -> Callable[..., Awaitable[Any]]:
    """Run a statement of the test's own; answers the first column of its first row."""

    async def run(statement: str, **parameters: Any) -> Any:
        async with transaction(engine) as connection:
            result = await connection.execute(text(statement), parameters)
            return result.scalar() if result.returns_rows else None

    return run


BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def in_line(sql: Any) -> Callable[[int], Awaitable[None]]:
    """Come back when so many wait for a lock."""

    async def wait(count: int) -> None:
        async with asyncio.timeout(10):
            while await sql(BLOCKED) < count:  # noqa: ASYNC110 - Postgres sets no event of ours
                await asyncio.sleep(0.01)

    return wait


Statement = tuple[str, Any]


@pytest.fixture
def asked(engine: AsyncEngine) -> Callable[[Awaitable[Any]], Awaitable[list[Statement]]]:
    """The statements, with their parameters, that a call asks of Postgres."""

    async def record(call: Awaitable[Any]) -> list[Statement]:
        with _recording(engine) as statements:
            await call
        return statements

    return record


@pytest.fixture
def explained(engine: AsyncEngine, asked: Any) -> Callable[[Awaitable[Any]], Awaitable[list[str]]]:
    """How Postgres carries out each statement of a call, as EXPLAIN tells it; the call's effect stays."""

    async def explain(call: Awaitable[Any]) -> list[str]:
        statements = await asked(call)
        async with engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            plans: list[Any] = [
                await driver.fetchval(f"EXPLAIN (FORMAT JSON) {one}", *given) for one, given in statements
            ]
        return [json.dumps(plan) for plan in plans]

    return explain


@pytest.fixture
def plans(explained: Any) -> Callable[[Awaitable[Any]], Awaitable[str]]:
    """How Postgres carries out the one statement of a call."""

    async def explain(call: Awaitable[Any]) -> str:
        [plan] = await explained(call)
        return plan

    return explain


@contextmanager
def _recording(engine: AsyncEngine) -> Generator[list[Statement], None, None]:
    statements: list[Statement] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine.sync_engine, "before_cursor_execute", note)
