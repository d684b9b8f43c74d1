"""What fits no item of a job is kept, within bounds."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job
from polling_api.domain.result import Stray, StrayKind
from polling_api.store import endings, strays

Submit = Callable[..., Awaitable[Job]]
Sql = Callable[..., Awaitable[Any]]

pytestmark = pytest.mark.usefixtures("empty")


def unreadable(line: str = "?") -> Stray:
    return Stray(StrayKind.UNREADABLE, line)


async def kept(sql: Sql) -> list[list[Any]]:
    return await sql(
        "SELECT coalesce(json_agg(json_build_array(number, kind, custom_id, line) ORDER BY number), '[]') FROM strays"
    )


async def test_a_stray_is_kept_as_it_was_told(engine: AsyncEngine, submit: Submit, sql: Sql) -> None:
    job = await submit()

    await strays.keep(engine, job.id, [(7, Stray(StrayKind.UNKNOWN_ITEM, '{"é":1}', "who?")), (2, unreadable("{"))])

    assert await kept(sql) == [[2, "unreadable", None, "{"], [7, "unknown_item", "who?", '{"é":1}']]


async def test_what_is_told_anew_is_kept_once(engine: AsyncEngine, submit: Submit, sql: Sql) -> None:
    job = await submit()
    await strays.keep(engine, job.id, [(0, unreadable("first"))])

    await strays.keep(engine, job.id, [(0, unreadable("first")), (1, unreadable("second"))])

    assert [line for *_, line in await kept(sql)] == ["first", "second"]


async def test_a_hundred_are_kept_of_a_job_however_often_they_are_told(
    engine: AsyncEngine, submit: Submit, sql: Sql
) -> None:
    job, other = await submit(), await submit()
    await strays.keep(engine, job.id, [(number, unreadable()) for number in range(60)])

    await strays.keep(engine, job.id, [(number, unreadable()) for number in range(1000)])
    await strays.keep(engine, job.id, [(1000, unreadable())])
    await strays.keep(engine, other.id, [(0, unreadable())])

    numbers = "SELECT json_agg(number ORDER BY number) FROM strays WHERE job_id = :id"
    assert await sql(numbers, id=job.id) == list(range(100))
    assert await sql(numbers, id=other.id) == [0]


@pytest.mark.parametrize(
    ("line", "stored"),
    [("x" * 5000, "x" * 4096), ("é" * 3000, "é" * 2048), ("x" + "é" * 3000, "x" + "é" * 2047), ("\0\ud800", "\ufffd?")],
)
async def test_a_line_is_cut_to_what_may_be_kept(
    engine: AsyncEngine, submit: Submit, sql: Sql, line: str, stored: str
) -> None:
    job = await submit()

    await strays.keep(engine, job.id, [(0, Stray(StrayKind.OVERLONG, line, line))])

    assert await kept(sql) == [[0, "overlong", stored, stored]]


async def test_nothing_is_kept_of_a_job_that_has_ended(engine: AsyncEngine, submit: Submit, sql: Sql) -> None:
    job = await submit()
    await endings.cancel(engine, job.id, results_keep=60)

    await strays.keep(engine, job.id, [(0, unreadable())])

    assert await kept(sql) == []
