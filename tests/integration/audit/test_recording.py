"""What is recorded goes to a real Postgres in groups."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.audit import AuditLog, Refusals
from polling_api.domain.audit import Entry
from polling_api.domain.caller import Caller
from polling_api.store import audit
from polling_api.store.clock import database_time

DAY = 86_400.0


@pytest.fixture
def log(engine: AsyncEngine) -> AuditLog:
    return AuditLog(partial(audit.add, engine))


@pytest.fixture
def inserts(engine: AsyncEngine) -> Iterator[list[str]]:
    """The statements that write to the log; each is a transaction."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO audit"):
            seen.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine.sync_engine, "before_cursor_execute", note)


def read_of(client_id: str, number: int = 0) -> Entry:
    return Entry(client_id=client_id, actor="key:key_1", action="results.read", request_id=str(number))


async def kept(engine: AsyncEngine, client_id: str) -> set[str | None]:
    return {one.entry.request_id for one in await audit.page(engine, within=DAY, limit=5000, client_id=client_id)}


async def test_a_thousand_at_once_share_few_commits(engine: AsyncEngine, log: AuditLog, inserts: list[str]) -> None:
    await asyncio.gather(*(log.record(read_of("client_many", number)) for number in range(1000)))

    assert len(inserts) <= 2
    assert len(await kept(engine, "client_many")) == 1000


async def test_a_crowd_that_comes_and_goes_shares_few_commits(
    engine: AsyncEngine, log: AuditLog, inserts: list[str]
) -> None:
    async def keep_reading(reader: int) -> None:
        for number in range(10):
            await log.record(read_of("client_crowd", reader * 10 + number))

    await asyncio.gather(*(keep_reading(reader) for reader in range(100)))

    assert len(inserts) <= 40  # of a thousand: ten turns, in which not all go at once
    assert len(await kept(engine, "client_crowd")) == 1000


async def test_whoever_goes_on_finds_its_row(engine: AsyncEngine, log: AuditLog) -> None:
    for number in range(5):
        await log.record(read_of("client_one", number))

        assert str(number) in await kept(engine, "client_one")


async def test_callers_that_go_away_leave_the_others_their_rows(engine: AsyncEngine, log: AuditLog) -> None:
    tasks = [asyncio.create_task(log.record(read_of("client_left", number))) for number in range(100)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()

    told = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(one) for one in told[::2]] == [asyncio.CancelledError] * 50
    assert told[1::2] == [None] * 50
    assert await kept(engine, "client_left") >= {str(number) for number in range(1, 100, 2)}


async def test_refusals_of_a_minute_are_one_statement_and_each_a_row(engine: AsyncEngine, inserts: list[str]) -> None:
    now = await database_time(engine)
    refusals = Refusals(partial(audit.add, engine), now=lambda: now)
    caller = Caller(client_id="client_refused", key_id="key_1")
    for number in range(100):
        refusals.count(caller, code=f"code_{number % 4}", route="read_job", address="203.0.113.7")

    await refusals.flush(10)

    rows = await audit.page(engine, within=DAY, limit=10, client_id="client_refused")
    assert len(inserts) == 1
    assert sorted((one.entry.outcome, one.entry.count) for one in rows) == [(f"code_{code}", 25) for code in range(4)]
    assert {one.at for one in rows} == {now.replace(second=0, microsecond=0)}
