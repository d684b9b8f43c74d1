"""Keys as those read them who verify signatures."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.client import new_key_id
from polling_api.store import good_keys, keys
from polling_api.store.engine import transaction
from running.keyholders import ENTRY, VAULT, Made, about, make_client, make_key

pytestmark = pytest.mark.usefixtures("empty")

LAST_USE = "SELECT last_used_at FROM keys WHERE id = :id"


@pytest.fixture
async def key(engine: AsyncEngine) -> Made:
    """The first key of a client; it has no end."""
    return await make_client(engine)


async def test_many_keys_are_read_at_once_each_with_its_secret_and_its_end(engine: AsyncEngine, key: Made) -> None:
    ending = await make_key(engine, key.row.client_id, expires_in=600)
    revoked = await make_key(engine, key.row.client_id, expires_in=600)
    await keys.revoke(engine, revoked.id, entry=ENTRY)

    found = await good_keys.find(engine, [key.id, ending.id, revoked.id, new_key_id()])

    assert set(found) == {key.id, ending.id, revoked.id}
    assert {VAULT.open(one.id, found[one.id].sealed) == one.secret for one in (key, ending, revoked)} == {True}
    assert found[key.id].end == good_keys.End(None, ended=False)
    assert found[ending.id].end == good_keys.End(ending.row.expires_at, ended=False)
    assert found[revoked.id].end.ended
    assert found[revoked.id].end.ends_at < ending.row.expires_at  # type: ignore[operator]
    assert await good_keys.ends(engine, list(found)) == {key_id: one.end for key_id, one in found.items()}


async def test_what_is_shown_of_a_key_that_was_read_is_not_its_secret(engine: AsyncEngine, key: Made) -> None:
    found = (await good_keys.find(engine, [key.id]))[key.id]

    assert found.sealed.decode() not in repr(found)


async def test_keys_that_were_revoked_or_expired_lately_are_told(engine: AsyncEngine, key: Made, sql: Any) -> None:
    client_id = key.row.client_id
    revoked, expired, long_ago, to_end = [await make_key(engine, client_id, expires_in=600) for _ in range(4)]
    await keys.revoke(engine, revoked.id, entry=ENTRY)
    for ended, since in ((expired, "1 minute"), (long_ago, "26 hours")):
        past = f"now() - interval '{since}'"
        await sql(f"UPDATE keys SET granted_until = {past}, expires_at = {past} WHERE id = :id", id=ended.id)  # noqa: S608

    assert await good_keys.ended_since(engine, 25 * 3600) == {revoked.id, expired.id}
    assert await good_keys.ended_since(engine, 30) == {revoked.id}
    assert await good_keys.ends(engine, [to_end.id]) == {to_end.id: good_keys.End(to_end.row.expires_at, ended=False)}


async def test_uses_are_noted_for_many_keys_at_once_by_the_databases_clock(
    engine: AsyncEngine, key: Made, sql: Any
) -> None:
    another = await make_key(engine, key.row.client_id)

    await good_keys.note_used(engine, {key.id: 0, another.id: 90, new_key_id(): 0})

    assert about(await sql(LAST_USE, id=key.id), await sql("SELECT now()"))
    assert about(await sql(LAST_USE, id=another.id), await sql("SELECT now()") - timedelta(seconds=90))


async def test_a_key_in_use_is_written_once_a_minute_however_many_note_it(
    engine: AsyncEngine, key: Made, sql: Any
) -> None:
    await good_keys.note_used(engine, {key.id: 100})
    first = await sql(LAST_USE, id=key.id)

    await good_keys.note_used(engine, {key.id: 50})
    await good_keys.note_used(engine, {key.id: 200})
    less_than_a_minute_later = await sql(LAST_USE, id=key.id)
    await good_keys.note_used(engine, {key.id: 5})

    assert less_than_a_minute_later == first
    assert await sql(LAST_USE, id=key.id) > first


async def test_noting_uses_never_waits_for_who_has_a_key_in_hand(engine: AsyncEngine, key: Made, sql: Any) -> None:
    another = await make_key(engine, key.row.client_id)

    async with transaction(engine) as connection:
        await connection.execute(text("SELECT FROM keys WHERE id = :id FOR UPDATE"), {"id": key.id})
        async with asyncio.timeout(10):
            await good_keys.note_used(engine, {key.id: 0, another.id: 0})

    assert await sql(LAST_USE, id=key.id) is None
    assert await sql(LAST_USE, id=another.id) is not None
