"""How Postgres finds entries among 260,000 of thirteen months, of which a busy client has half and a quiet one few."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.audit import Place
from polling_api.store import audit, audit_partitions
from polling_api.store.clock import database_time

Plans = Callable[[Awaitable[Any]], Awaitable[str]]

DAY = 86_400.0
YEAR = 365 * DAY
MANY = """
INSERT INTO audit (at, id, client_id, actor, action, outcome, count)
SELECT now() - n * interval '2 minutes', 'aud_' || md5(n::text),
       CASE WHEN n % 2 = 0 THEN 'client_busy' WHEN n % 5000 = 1 THEN 'client_quiet' END,
       'key:key_1', CASE WHEN n % 3 = 0 THEN 'refused.read_job' ELSE 'results.read' END, 'allowed', 1
FROM generate_series(1, 260000) AS n
"""


@pytest.fixture(scope="module", autouse=True)
async def many(engine: AsyncEngine) -> None:
    now = await database_time(engine)
    for months_ago in range(0, 14, 2):
        await audit_partitions.make(engine, now - timedelta(days=30.5 * months_ago))
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(MANY)
        await driver.execute("ANALYZE audit")


def scans(plan: str) -> list[dict[str, Any]]:
    """Every node of a plan that reads a table or an index."""
    found: list[dict[str, Any]] = []

    def walk(node: dict[str, Any]) -> None:
        if "Relation Name" in node:
            found.append(node)
        for below in node.get("Plans", ()):
            walk(below)

    walk(json.loads(plan)[0]["Plan"])
    return found


def merging(plan: str) -> str:
    """The node that puts the months together; an Append reads one after another, and stops when the page is full."""
    return json.loads(plan)[0]["Plan"]["Plans"][0]["Node Type"]


async def place(engine: AsyncEngine, days_ago: float) -> Place:
    return Place(await database_time(engine) - timedelta(days=days_ago), "aud_8")


@pytest.mark.parametrize("client_id", ["client_busy", "client_quiet"])
async def test_an_owners_page_walks_its_own_index_in_order(engine: AsyncEngine, plans: Plans, client_id: str) -> None:
    plan = await plans(audit.page(engine, within=YEAR, limit=101, client_id=client_id))

    present = (await place(engine, days_ago=0)).at
    read = [scan for scan in scans(plan) if scan["Relation Name"] <= f"audit_{present:%Y_%m}"]  # the others are empty
    assert {scan["Node Type"] for scan in read} == {"Index Scan"}
    assert all(scan["Index Name"].endswith("_client_id_at_id_idx") for scan in read)


async def test_a_busy_owners_page_stops_when_it_is_full(engine: AsyncEngine, plans: Plans) -> None:
    plan = await plans(audit.page(engine, within=YEAR, limit=101, client_id="client_busy"))

    assert merging(plan) == "Append"


async def test_a_following_page_reads_no_younger_month(engine: AsyncEngine, plans: Plans) -> None:
    before = await place(engine, days_ago=200)

    plan = await plans(audit.page(engine, within=YEAR, limit=101, client_id="client_busy", before=before))

    assert "ROW(at, id)" in plan
    assert all(scan["Relation Name"] <= f"audit_{before.at:%Y_%m}" for scan in scans(plan))
    assert merging(plan) == "Append"


async def test_a_page_of_a_day_reads_no_older_month(engine: AsyncEngine, plans: Plans) -> None:
    since = (await place(engine, days_ago=1)).at

    plan = await plans(audit.page(engine, within=DAY, limit=101))

    assert all(scan["Relation Name"] >= f"audit_{since:%Y_%m}" for scan in scans(plan))


async def test_the_operators_page_walks_the_time_index_in_order(engine: AsyncEngine, plans: Plans) -> None:
    plan = await plans(audit.page(engine, within=YEAR, limit=101, before=await place(engine, days_ago=10)))

    assert all(scan["Index Name"].endswith("_pkey") for scan in scans(plan))
    assert merging(plan) == "Append"


async def test_a_kind_of_action_is_looked_for_in_the_order_of_time(engine: AsyncEngine, plans: Plans) -> None:
    plan = await plans(audit.page(engine, within=YEAR, limit=101, action="refused"))

    assert {scan["Node Type"] for scan in scans(plan)} == {"Index Scan"}
    assert merging(plan) == "Append"
