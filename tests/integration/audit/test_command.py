"""`polling-api audit`, as an operator calls it."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.audit import Entry
from polling_api.store import audit
from polling_api.store.clock import database_time
from running.command_line import Ran, run_here

Run = Callable[..., Awaitable[tuple[int, str, str]]]
Told = Callable[..., Awaitable[Ran]]


@pytest.fixture(scope="module", autouse=True)
async def entries(engine: AsyncEngine) -> None:
    two_hours_ago = await database_time(engine) - timedelta(hours=2)
    many = [Entry(client_id="client_many", actor="operator", action="many", minute=two_hours_ago) for _ in range(2100)]
    await audit.add(engine, many)
    films = Entry(client_id="client_films", actor="key:key_1", action="results.read", job_id="job_1")
    await audit.add(engine, [films])
    await audit.add(engine, [Entry(client_id="client_books", actor="token:tok_1", action="token.create")])
    await audit.add(
        engine, [Entry(client_id=None, actor="[red]anonymous", action="refused.read_job", outcome="blocked", count=7)]
    )


@pytest.fixture
def run(postgres_url: str) -> Run:
    """Run the command in a process of its own."""

    async def call(*arguments: str, database_url: str = postgres_url) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "polling_api",
            "audit",
            *arguments,
            env={**os.environ, "POLLING_DATABASE_URL": database_url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        told, failed = await asyncio.wait_for(process.communicate(), timeout=60)
        return process.returncode or 0, told.decode(), failed.decode()

    return call


@pytest.fixture
def told(postgres_url: str) -> Told:
    """Run the command here, for what it tells."""

    async def call(*arguments: str) -> Ran:
        return await asyncio.to_thread(run_here, "audit", *arguments, database_url=postgres_url)

    return call


async def test_json_is_a_row_a_line_newest_first(run: Run) -> None:
    status, told, failed = await run("--json", "--since", "1h")

    rows = [json.loads(line) for line in told.splitlines()]
    assert (status, failed) == (0, "")
    assert [row["action"] for row in rows] == ["refused.read_job", "token.create", "results.read"]
    assert {row["object"] for row in rows} == {"audit"}


@pytest.mark.parametrize(
    ("arguments", "actions"),
    [
        (("--client", "client_books"), ["token.create"]),
        (("--action", "refused"), ["refused.read_job"]),
        (("--limit", "2"), ["refused.read_job", "token.create"]),
        (("--client", "client_nobody"), []),
    ],
)
async def test_it_shows_what_is_asked_for(told: Told, arguments: tuple[str, ...], actions: list[str]) -> None:
    ran = await told("--json", *arguments)

    assert [json.loads(line)["action"] for line in ran.output.splitlines()] == actions


@pytest.mark.parametrize(("limit", "count"), [("2050", 2050), ("1000000", 2100)])
async def test_any_number_is_shown_each_once(told: Told, limit: str, count: int) -> None:
    ran = await told("--json", "--client", "client_many", "--limit", limit)

    ids = [json.loads(line)["id"] for line in ran.output.splitlines()]
    assert len(ids) == len(set(ids)) == count


async def test_a_table_shows_who_did_what_and_takes_nothing_for_markup(told: Told) -> None:
    ran = await told()

    assert ran.status == 0
    assert "[red]anonymous" in ran.output
    assert "token.create" in ran.output


async def test_what_is_no_period_is_told_with_an_example(told: Told) -> None:
    ran = await told("--since", "yesterday")

    assert ran.status == 2
    assert "24h" in ran.errors


async def test_a_database_that_is_not_there_is_told_in_a_line(run: Run) -> None:
    status, _, failed = await run(database_url="postgresql://nobody@127.0.0.1:1/none")

    assert status == 1
    assert "does not answer" in failed
    assert "Traceback" not in failed
