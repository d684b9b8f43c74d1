"""`polling-api webhooks`, as an operator calls it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.hooked import claim_all, ended_jobs, mark, new_endpoint, new_owner
from polling_api.store.engine import transaction
from polling_api.store.webhook_endpoints import EndpointRow
from polling_api.store.webhook_leases import Claimed
from polling_api.store.webhook_outcomes import Fate, Sent
from running.command_line import Ran, run_here

Run = Callable[..., Awaitable[Ran]]

FAILED = Sent(datetime(2026, 11, 26, tzinfo=UTC), 500, 12, "500 Internal Server Error", "no\x1b[31m")


@pytest.fixture
def run(postgres_url: str) -> Run:
    async def call(*arguments: str) -> Ran:
        return await asyncio.to_thread(run_here, "webhooks", *arguments, database_url=postgres_url)

    return call


@pytest.fixture
async def endpoint(engine: AsyncEngine) -> EndpointRow:
    return await new_endpoint(engine, await new_owner(engine))


@pytest.fixture
async def dead(engine: AsyncEngine, endpoint: EndpointRow) -> Claimed:
    """A dead letter of the endpoint's."""
    await ended_jobs(engine, endpoint.client_id, 1)
    [claimed] = await claim_all(engine)
    await mark(engine, claimed, Fate.DEAD, attempt=FAILED, sent=True)
    return claimed


async def test_endpoints_and_deliveries_are_listed(run: Run, endpoint: EndpointRow, dead: Claimed) -> None:
    endpoints = json.loads((await run("endpoints", "--json")).output)
    deliveries = json.loads((await run("deliveries", "--status", "dead", "--json")).output)
    table = await run("deliveries", "--endpoint", endpoint.id)

    assert [(one["id"], one["failing_since"] is not None) for one in endpoints] == [(endpoint.id, True)]
    assert [(one["id"], one["status"], one["tried"]) for one in deliveries] == [(dead.id, "dead", 1)]
    assert dead.id in table.output


async def test_one_is_shown_with_its_attempts_and_nothing_in_them_acts_on_the_terminal(run: Run, dead: Claimed) -> None:
    shown = await run("show", dead.id)

    assert "500 Internal Server Error" in shown.output
    assert "\x1b" not in shown.output


async def test_one_is_sent_again(run: Run, engine: AsyncEngine, dead: Claimed) -> None:
    told = json.loads((await run("replay", dead.id, "--json")).output)

    assert (told["id"], told["status"]) == (dead.id, "pending")
    assert [one.id for one in await claim_all(engine)] == [dead.id]


async def test_deliveries_are_listed_page_by_page(run: Run, engine: AsyncEngine, endpoint: EndpointRow) -> None:
    await ended_jobs(engine, endpoint.client_id, 3)
    everything = json.loads((await run("deliveries", "--json")).output)

    first = json.loads((await run("deliveries", "--limit", "2", "--json")).output)
    second = json.loads((await run("deliveries", "--before", first[-1]["id"], "--json")).output)

    assert [len(first), len(second)] == [2, 1]
    assert first + second == everything


async def test_an_endpoint_is_told_something_of_no_job(run: Run, engine: AsyncEngine, endpoint: EndpointRow) -> None:
    told = json.loads((await run("test", endpoint.id, "--json")).output)

    [claimed] = await claim_all(engine)
    assert (told["id"], told["event"], told["client_id"]) == (claimed.id, "webhook.test", endpoint.client_id)
    assert (await audited(engine))[-1] == ("webhook_endpoint.test", endpoint.client_id)


async def audited(engine: AsyncEngine) -> list[tuple[str, str]]:
    async with transaction(engine) as connection:
        rows = await connection.execute(text("SELECT action, client_id FROM audit ORDER BY at"))
        return [(row.action, row.client_id) for row in rows]


async def test_letters_of_later_than_is_asked_for_stay_dead(run: Run, dead: Claimed) -> None:
    told = json.loads((await run("replay", "--until", "1h", "--json")).output)

    assert (told, dead.tries) == ({"replayed": 0}, 0)


async def test_an_endpoint_that_is_not_there_is_told(run: Run) -> None:
    ran = await run("test", "whe_1")

    assert (ran.status, ran.errors) == (1, "There is no such webhook endpoint.\n")


@pytest.mark.parametrize("which", ["--all", "--client", "--endpoint", "--since", "--until"])
async def test_dead_letters_are_sent_again(run: Run, endpoint: EndpointRow, dead: Claimed, which: str) -> None:
    value = {"--client": [endpoint.client_id], "--endpoint": [endpoint.id], "--since": ["1h"], "--until": ["0s"]}.get(
        which, []
    )

    told = json.loads((await run("replay", which, *value, "--json")).output)

    assert (told, dead.endpoint_id) == ({"replayed": 1}, endpoint.id)


@pytest.mark.parametrize("arguments", [(), ("whd_1", "--all"), ("--since", "yesterday"), ("--until", "99999999999w")])
async def test_what_is_asked_for_wrongly_is_told(run: Run, arguments: tuple[str, ...]) -> None:
    assert (await run("replay", *arguments)).status == 2


async def test_what_is_not_there_is_told(run: Run) -> None:
    ran = await run("show", "whd_1")

    assert (ran.status, ran.errors) == (1, "There is no such webhook delivery.\n")
