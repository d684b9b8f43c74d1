"""Entries are kept as they were given, stamped by the database, and read newest first."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.audit import Entry, Place
from polling_api.store import audit
from polling_api.store.clock import database_time

pytestmark = pytest.mark.usefixtures("empty")

Sql = Callable[..., Awaitable[Any]]
Asked = Callable[[Awaitable[Any]], Awaitable[list[Any]]]

DAY = 86_400.0
TABLES = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit'::regclass"


def entry(client_id: str | None = "client_films", action: str = "results.read", **more: Any) -> Entry:
    return Entry(client_id=client_id, actor="key:key_1", action=action, **more)


async def test_an_entry_is_read_as_it_was_written(engine: AsyncEngine) -> None:
    written = entry(
        outcome="results_expired", job_id="job_1", address="203.0.113.7", correlation_id="mine", request_id="yours"
    )

    before = await database_time(engine)
    await audit.add(engine, [written])
    after = await database_time(engine)

    [found] = await audit.page(engine, within=DAY, limit=10)
    assert found.entry == written
    assert before <= found.at <= after


async def test_many_entries_are_one_statement_and_keep_their_order(engine: AsyncEngine, asked: Asked) -> None:
    many = [entry(request_id=str(number)) for number in range(1000)]

    statements = await asked(audit.add(engine, many))

    found = await audit.page(engine, within=DAY, limit=2000)
    times = [one.at for one in found]
    assert len(statements) == 1
    assert times == sorted(times, reverse=True)
    assert {one.entry.id for one in found} == {one.id for one in many}


async def test_a_sum_of_refusals_has_the_time_of_its_minute(engine: AsyncEngine) -> None:
    minute = (await database_time(engine)).replace(second=0, microsecond=0)

    await audit.add(engine, [entry(action="refused.read_job", minute=minute, count=7)])

    [found] = await audit.page(engine, within=DAY, limit=10)
    assert (found.at, found.entry.count) == (minute, 7)


async def test_a_sum_that_is_written_twice_is_there_once(engine: AsyncEngine) -> None:
    minute = (await database_time(engine)).replace(second=0, microsecond=0)
    sums = [entry(minute=minute, count=number) for number in (1, 2, 3)]

    await audit.add(engine, sums[:2])
    await audit.add(engine, sums)

    assert sorted(one.entry.count for one in await audit.page(engine, within=DAY, limit=10)) == [1, 2, 3]


@pytest.mark.parametrize("year", [1970, 2099])
async def test_a_clock_that_is_wrong_by_years_dates_nothing_and_makes_no_partition(
    engine: AsyncEngine, sql: Sql, year: int
) -> None:
    now, tables = await database_time(engine), await sql(TABLES)

    await audit.add(engine, [entry(minute=datetime(year, 1, 1, tzinfo=UTC))])

    [found] = await audit.page(engine, within=2 * DAY, limit=10)
    assert abs(found.at - now) <= timedelta(days=1, seconds=5)
    assert await sql(TABLES) in {tables, tables + 1}  # that of yesterday


async def test_what_postgres_refuses_in_a_text_takes_no_other_entry_with_it(engine: AsyncEngine) -> None:
    await audit.add(engine, [entry(correlation_id="a\0b"), entry(correlation_id="\udc00"), entry()])

    assert len(await audit.page(engine, within=DAY, limit=10)) == 3


async def test_pages_hold_each_entry_once_also_within_one_moment(engine: AsyncEngine) -> None:
    minute = (await database_time(engine)).replace(second=0, microsecond=0)
    await audit.add(engine, [entry(minute=minute) for _ in range(25)])

    found: list[str] = []
    before: Place | None = None
    while page := await audit.page(engine, within=DAY, limit=10, before=before):
        before = page[-1].place
        found += [one.entry.id for one in page]

    assert len(found) == 25
    assert found == sorted(set(found), reverse=True)


async def test_entries_that_come_meanwhile_move_no_page(engine: AsyncEngine) -> None:
    await audit.add(engine, [entry(request_id=str(number)) for number in range(4)])
    first = await audit.page(engine, within=DAY, limit=2)
    await audit.add(engine, [entry(request_id="new")])

    second = await audit.page(engine, within=DAY, limit=2, before=first[-1].place)

    assert [one.entry.request_id for one in (*first, *second)] == ["3", "2", "1", "0"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, {"films", "token", "tokens", "refused", "books", "nobody"}),
        ({"client_id": "client_books"}, {"books"}),
        ({"action": "results.read"}, {"films", "books", "nobody"}),
        ({"action": "token"}, {"token"}),
        ({"action": "refused"}, {"refused"}),
        ({"action": "refused.read_job"}, {"refused"}),
        ({"action": "refused.read"}, set[str]()),
        ({"action": "%"}, set[str]()),
        ({"client_id": "client_films", "action": "token"}, {"token"}),
    ],
)
async def test_what_is_asked_for_is_found(engine: AsyncEngine, filters: dict[str, Any], found: set[str]) -> None:
    await audit.add(
        engine,
        [
            entry(request_id="films"),
            entry(request_id="token", action="token.create"),
            entry(request_id="tokens", action="tokens"),
            entry(request_id="refused", action="refused.read_job"),
            entry("client_books", request_id="books"),
            entry(None, request_id="nobody"),
        ],
    )

    entries = await audit.page(engine, within=DAY, limit=10, **filters)

    assert {one.entry.request_id for one in entries} == found


async def test_nothing_older_than_asked_for_is_found_though_it_is_there(engine: AsyncEngine, sql: Sql) -> None:
    minute = (await database_time(engine)) - timedelta(hours=2)
    old, new = entry(minute=minute), entry()
    await audit.add(engine, [old, new])

    found = await audit.page(engine, within=3600, limit=10, client_id="client_films")
    following = await audit.page(engine, within=3600, limit=10, before=Place(minute + timedelta(hours=1), "aud_"))

    assert [one.entry for one in found] == [new]
    assert following == []
    assert await sql("SELECT count(*) FROM audit") == 2


async def test_a_row_that_finds_no_partition_makes_it(engine: AsyncEngine, sql: Sql) -> None:
    for name in await sql("SELECT json_agg(inhrelid::regclass) FROM pg_inherits WHERE inhparent = 'audit'::regclass"):
        await sql(f"DROP TABLE {name}")
    written = entry()

    await audit.add(engine, [written])

    [found] = await audit.page(engine, within=DAY, limit=10)
    assert found.entry == written


async def test_a_broken_rule_is_not_taken_for_a_missing_partition(engine: AsyncEngine) -> None:
    with pytest.raises(Exception, match="audit_count_check"):
        await audit.add(engine, [replace(entry(), count=0)])
