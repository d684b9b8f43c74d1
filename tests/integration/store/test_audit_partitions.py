"""Months come and go beside those who write and read, and none of them waits for long."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.audit import Entry
from polling_api.errors import Unavailable
from polling_api.store import audit, audit_partitions
from polling_api.store.engine import transaction

Sql = Callable[..., Awaitable[Any]]
InLine = Callable[[int], Awaitable[None]]

TICK = timedelta(microseconds=1)
MARCH, APRIL = datetime(2021, 3, 1, tzinfo=UTC), datetime(2021, 4, 1, tzinfo=UTC)
NAMES = """
SELECT coalesce(json_agg(relname ORDER BY relname), '[]') FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'audit'::regclass
"""
# With what an attached index is called, since it is made from the table's.
INDEXES = """
SELECT json_agg(regexp_replace(indexdef, 'audit_[0-9_]+', 'audit_', 'g') ORDER BY indexdef)
FROM pg_indexes WHERE tablename = :table
"""
ROW = "INSERT INTO audit (at, id, actor, action, outcome, count) VALUES (:at, :id, 'operator', 'made', 'allowed', 1)"


@pytest.fixture(autouse=True)
async def present(sql: Sql) -> AsyncIterator[list[str]]:
    """The partitions of today; those that a test makes are gone after it."""
    before: list[str] = await sql(NAMES)
    yield before
    for name in set(await sql(NAMES)) - set(before):
        await sql(f"DROP TABLE {name}")


async def test_the_migration_made_those_of_today_and_of_the_next_months(sql: Sql, engine: AsyncEngine) -> None:
    assert len(await sql(NAMES)) >= 4
    assert await audit_partitions.make(engine, datetime.now(UTC)) == []


async def test_the_months_from_now_on_are_made_once(engine: AsyncEngine) -> None:
    first = await audit_partitions.make(engine, MARCH + timedelta(days=14))
    again = await audit_partitions.make(engine, MARCH + timedelta(days=14))

    assert first == ["audit_2021_03", "audit_2021_04", "audit_2021_05", "audit_2021_06"]
    assert again == []


async def test_at_the_edge_of_a_month_that_of_yesterday_is_there_too(engine: AsyncEngine) -> None:
    assert (await audit_partitions.make(engine, MARCH))[0] == "audit_2021_02"


async def test_a_month_holds_its_first_and_its_last_moment(engine: AsyncEngine, sql: Sql) -> None:
    await audit_partitions.make(engine, MARCH + timedelta(days=14))

    for number, at in enumerate((MARCH, APRIL - TICK, APRIL)):
        await sql(ROW, at=at, id=f"aud_{number}")

    found = await sql("SELECT json_agg(tableoid::regclass::text ORDER BY id) FROM audit WHERE at >= :at", at=MARCH)
    assert found == ["audit_2021_03", "audit_2021_03", "audit_2021_04"]


async def test_a_month_is_like_those_of_the_migration(engine: AsyncEngine, sql: Sql, present: list[str]) -> None:
    await audit_partitions.make(engine, MARCH)

    assert await sql(INDEXES, table="audit_2021_03") == await sql(INDEXES, table=present[0])


async def test_many_who_make_them_at_once_make_each_once(engine: AsyncEngine) -> None:
    made = await asyncio.gather(*(audit_partitions.make(engine, MARCH) for _ in range(8)))

    assert sorted(name for names in made for name in names) == [f"audit_2021_0{month}" for month in range(2, 7)]


async def test_a_month_is_dropped_when_all_of_it_is_over(engine: AsyncEngine, sql: Sql) -> None:
    await audit_partitions.make(engine, MARCH + timedelta(days=14))

    before_the_end = await audit_partitions.drop(engine, before=APRIL - TICK)
    at_the_end = await audit_partitions.drop(engine, before=APRIL)

    assert "audit_2021_03" not in before_the_end
    assert at_the_end == ["audit_2021_03"]
    assert "audit_2021_04" in await sql(NAMES)


async def test_what_others_made_is_left_alone(engine: AsyncEngine, sql: Sql) -> None:
    await sql("CREATE TABLE audit_archive PARTITION OF audit FOR VALUES FROM ('2001-01-01') TO ('2002-01-01')")
    await sql("CREATE TABLE IF NOT EXISTS audit_2003_01 (LIKE audit)")  # detached, to be looked into

    await audit_partitions.drop(engine, before=datetime(2020, 1, 1, tzinfo=UTC))

    assert "audit_archive" in await sql(NAMES)
    assert await sql("SELECT count(*) FROM audit_2003_01") == 0
    await sql("DROP TABLE audit_2003_01")


async def test_many_who_drop_at_once_drop_each_once(engine: AsyncEngine) -> None:
    for month in (1, 4, 7):
        await audit_partitions.make(engine, datetime(2011, month, 15, tzinfo=UTC))

    dropped = await asyncio.gather(
        *(audit_partitions.drop(engine, before=datetime(2020, 1, 1, tzinfo=UTC)) for _ in range(6))
    )
    rest = await audit_partitions.drop(engine, before=datetime(2020, 1, 1, tzinfo=UTC))

    assert sorted([name for names in dropped for name in names] + rest) == [
        f"audit_2011_{month:02}" for month in range(1, 11)
    ]


async def test_making_waits_for_nobody_who_writes_or_reads(engine: AsyncEngine) -> None:
    async with transaction(engine) as writer, transaction(engine) as reader:
        await writer.execute(text(ROW), {"at": datetime.now(UTC), "id": "aud_held"})
        await reader.execute(text("SELECT count(*) FROM audit"))

        made = await audit_partitions.make(engine, MARCH)

    assert made


async def test_nobody_who_writes_waits_for_a_drop_for_longer_than_it_gives_itself(
    engine: AsyncEngine, sql: Sql, in_line: InLine
) -> None:
    await audit_partitions.make(engine, datetime(2011, 1, 15, tzinfo=UTC))
    async with transaction(engine) as backup:  # reads all of it, for as long as it likes
        await backup.execute(text("SELECT count(*) FROM audit"))

        dropping = asyncio.create_task(audit_partitions.drop(engine, before=datetime(2020, 1, 1, tzinfo=UTC)))
        await in_line(1)
        await audit.add(engine, [Entry(client_id=None, actor="operator", action="written.meanwhile")])
        with pytest.raises(Unavailable):
            await dropping
        written = await audit.page(engine, within=60, limit=1, action="written")

    assert len(written) == 1
    assert "audit_2011_01" in await sql(NAMES)
    assert "audit_2011_01" in await audit_partitions.drop(engine, before=datetime(2020, 1, 1, tzinfo=UTC))


async def test_rows_are_written_and_read_while_months_come_and_go(engine: AsyncEngine, sql: Sql) -> None:
    ending = asyncio.Event()
    written: list[str] = []

    async def write() -> None:
        while not ending.is_set():
            entries = [Entry(client_id="client_busy", actor="operator", action="busy") for _ in range(20)]
            await audit.add(engine, entries)
            written.extend(entry.id for entry in entries)
            await audit.page(engine, within=60, limit=20, client_id="client_busy")

    async def change() -> None:
        for year in range(2001, 2011):
            await audit_partitions.make(engine, datetime(year, 6, 15, tzinfo=UTC))
            while await audit_partitions.drop(engine, before=datetime(2020, 1, 1, tzinfo=UTC)):
                pass
        ending.set()

    await asyncio.gather(change(), *(write() for _ in range(4)))

    assert written
    assert await sql("SELECT count(*) FROM audit WHERE action = 'busy'") == len(written)
    assert not [name for name in await sql(NAMES) if name < "audit_2020"]
