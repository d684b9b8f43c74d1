"""`polling-api webhooks`, as an operator calls it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.hooked import claim_all, ended_jobs, mark, new_endpoint, new_owner
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


@pytest.mark.parametrize("which", ["--all", "--client", "--endpoint", "--since"])
async def test_dead_letters_are_sent_again(run: Run, endpoint: EndpointRow, dead: Claimed, which: str) -> None:
    value = {"--client": [endpoint.client_id], "--endpoint": [endpoint.id], "--since": ["1h"]}.get(which, [])

    told = json.loads((await run("replay", which, *value, "--json")).output)

    assert (told, dead.endpoint_id) == ({"replayed": 1}, endpoint.id)


@pytest.mark.parametrize("arguments", [(), ("whd_1", "--all"), ("--since", "yesterday")])
async def test_what_is_asked_for_wrongly_is_told(run: Run, arguments: tuple[str, ...]) -> None:
    assert (await run("replay", *arguments)).status == 2


async def test_what_is_not_there_is_told(run: Run) -> None:
    ran = await run("show", "whd_1")

    assert (ran.status, ran.errors) == (1, "There is no such webhook delivery.\n")
