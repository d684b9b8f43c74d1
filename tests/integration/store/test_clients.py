"""Clients."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.client import new_client_id
from polling_api.errors import Invalid
from polling_api.store import clients
from polling_api.store.keys import Place
from running.keyholders import ENTRY, make_client, new_key

pytestmark = pytest.mark.usefixtures("empty")


async def test_a_client_is_made_with_a_first_key_that_has_no_end(engine: AsyncEngine) -> None:
    client_id, new = new_client_id(), new_key()

    client, key = await clients.create(engine, client_id, "demo", new, entry=ENTRY)

    assert (client.id, client.name, client.limits, client.api_version) == (client_id, "demo", None, None)
    assert (key.id, key.client_id) == (new.id, client_id)
    assert (key.made_by, key.expires_at, key.revoked_at, key.last_used_at) == (None, None, None, None)
    assert await clients.find(engine, client_id) == client


async def test_a_client_that_is_not_there_is_not_found(engine: AsyncEngine) -> None:
    assert await clients.find(engine, new_client_id()) is None


async def test_a_name_that_breaks_the_rule_makes_nothing(engine: AsyncEngine, sql: Any) -> None:
    with pytest.raises(Invalid, match="1 to 100 printable characters"):
        await clients.create(engine, new_client_id(), "two\nlines", new_key(), entry=ENTRY)

    assert await sql("SELECT count(*) FROM clients") == 0
    assert await sql("SELECT count(*) FROM keys") == 0


async def test_a_client_whose_key_cannot_be_made_is_not_made_either(engine: AsyncEngine, sql: Any) -> None:
    new = new_key()
    await clients.create(engine, new_client_id(), "first", new, entry=ENTRY)

    with pytest.raises(Exception, match="keys_pkey"):
        await clients.create(engine, new_client_id(), "second", new, entry=ENTRY)

    assert await sql("SELECT count(*) FROM clients") == 1


async def test_clients_are_listed_page_by_page_in_the_order_in_which_they_were_made(engine: AsyncEngine) -> None:
    made = [(await make_client(engine, f"client {n}")).row.client_id for n in range(5)]

    first = await clients.page(engine, after=None, limit=2)
    second = await clients.page(engine, after=Place(first[-1].created_at, first[-1].id), limit=2)
    last = await clients.page(engine, after=Place(second[-1].created_at, second[-1].id), limit=2)

    assert [[client.id for client in page] for page in (first, second, last)] == [made[:2], made[2:4], made[4:]]


async def test_limits_and_a_pinned_version_are_told_as_they_are_kept(engine: AsyncEngine, sql: Any) -> None:
    key = await make_client(engine)
    await sql("""UPDATE clients SET limits = '{"hour": 5}', api_version = '2026-11-23'""")

    client = await clients.find(engine, key.row.client_id)

    assert client
    assert (client.limits, client.api_version) == ({"hour": 5}, "2026-11-23")
