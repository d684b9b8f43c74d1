"""How Postgres finds keys among 100,000 of 1,000 clients."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store import clients, good_keys, keys
from polling_api.store.keys import Place
from running.keyholders import ENTRY, new_key

pytestmark = pytest.mark.usefixtures("ids")

Plans = Callable[[Awaitable[Any]], Awaitable[str]]
Explained = Callable[[Awaitable[Any]], Awaitable[list[str]]]

CLIENTS = """
INSERT INTO clients (id, name, created_at) SELECT 'cl_' || md5(n::text), 'client ' || n, now() - n * interval '1 minute'
FROM generate_series(0, 999) AS n
"""
# Each key of the last 90 % was made by one of the first; each third expires, each tenth is revoked, over two years.
KEYS = """
INSERT INTO keys (id, client_id, secret, made_by, created_at, granted_until, expires_at, revoked_at)
SELECT 'key_' || md5(n::text), 'cl_' || md5((n % 1000)::text), '\\x00',
       CASE WHEN n > 10000 THEN 'key_' || md5((n % 1000 + 1)::text) END, now() - n * interval '5 minutes',
       CASE WHEN n % 3 = 0 THEN now() - (n - 50000) * interval '10 minutes' END,
       CASE WHEN n % 3 = 0 THEN now() - (n - 50000) * interval '10 minutes' END,
       CASE WHEN n % 10 = 0 THEN now() - n * interval '10 minutes' END
FROM generate_series(1, 100000) AS n
"""


@pytest.fixture(scope="module")
async def ids(engine: AsyncEngine) -> list[str]:
    """Of 1,000 keys, once all are there and Postgres has counted them."""
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(CLIENTS)
        await driver.execute(KEYS)
        await driver.execute("ANALYZE clients, keys")
        rows = await driver.fetch("SELECT 'key_' || md5(n::text) FROM generate_series(1, 1000) AS n")
    return [row[0] for row in rows]


async def test_keys_are_found_and_refreshed_by_their_primary_key(
    engine: AsyncEngine, ids: list[str], plans: Plans
) -> None:
    for plan in (await plans(good_keys.find(engine, ids[:500])), await plans(good_keys.ends(engine, ids))):
        assert '"Index Name": "keys_pkey"' in plan
        assert "Seq Scan" not in plan


@pytest.mark.parametrize("seconds", [310.0, 25 * 3600.0])
async def test_what_has_ended_lately_is_found_by_the_indexes_of_ends(
    engine: AsyncEngine, plans: Plans, seconds: float
) -> None:
    plan = await plans(good_keys.ended_since(engine, seconds))

    assert '"Index Name": "keys_revoked"' in plan
    assert '"Index Name": "keys_expiring"' in plan
    assert "Seq Scan" not in plan


async def test_uses_are_noted_by_the_primary_key(engine: AsyncEngine, ids: list[str], plans: Plans) -> None:
    plan = await plans(good_keys.note_used(engine, dict.fromkeys(ids[:500], 1.0)))

    assert '"Index Name": "keys_pkey"' in plan
    assert '"Node Type": "Seq Scan"' not in plan


async def test_a_revoke_walks_the_chain_by_the_index_of_makers(
    engine: AsyncEngine, ids: list[str], explained: Explained
) -> None:
    hold, cascade, _ = await explained(keys.revoke(engine, ids[0], entry=ENTRY))

    assert "Seq Scan" not in hold
    assert '"Index Name": "keys_made_by"' in cascade
    assert '"Node Type": "Seq Scan"' not in cascade


async def test_making_and_rotating_look_at_the_keys_of_one_client(
    engine: AsyncEngine, ids: list[str], explained: Explained
) -> None:
    made = await explained(keys.make(engine, "cl_" + ids[6][4:], new_key(), made_by=ids[6], entry=ENTRY))
    rotated = await explained(keys.rotate(engine, ids[6], new_key(), overlap=60, entry=ENTRY))

    assert not any('"Node Type": "Seq Scan"' in plan for plan in [*made, *rotated])


async def test_pages_walk_the_index_of_a_clients_keys(engine: AsyncEngine, ids: list[str], plans: Plans) -> None:
    client_id = (await good_keys.find(engine, ids[:1]))[ids[0]].client_id
    for after in (None, Place(datetime.now(UTC), ids[0])):
        plan = await plans(keys.page(engine, client_id, after=after, limit=20))

        assert '"Index Name": "keys_of_client"' in plan
        assert '"Node Type": "Sort"' not in plan


async def test_pages_of_clients_walk_their_index(engine: AsyncEngine, plans: Plans) -> None:
    plan = await plans(clients.page(engine, after=Place(datetime.now(UTC), "cl_"), limit=20))

    assert '"Index Name": "clients_listed"' in plan
    assert '"Node Type": "Sort"' not in plan
