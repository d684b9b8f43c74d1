"""Keys, and what becomes of those they make."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.client import new_client_id
from polling_api.errors import Conflict, NotFound
from polling_api.store import good_keys, keys
from polling_api.store.engine import transaction
from polling_api.store.key_rows import MOST_KEYS, KeyRow
from polling_api.store.keys import Place
from running.keyholders import ENTRY, Made, about, make_chain, make_client, make_key, new_key

pytestmark = pytest.mark.usefixtures("empty")


@pytest.fixture
async def key(engine: AsyncEngine) -> Made:
    """The first key of a client; it has no end."""
    return await make_client(engine)


async def good(engine: AsyncEngine, *ids: str) -> set[str]:
    """Those of the keys that are good now."""
    return {key_id for key_id, end in (await good_keys.ends(engine, ids)).items() if not end.ended}


async def now(engine: AsyncEngine, key_id: str) -> KeyRow:
    """A key as it is now."""
    owner = (await good_keys.find(engine, [key_id]))[key_id].client_id
    return next(row for row in await keys.page(engine, owner, after=None, limit=1000) if row.id == key_id)


@asynccontextmanager
async def client_held(engine: AsyncEngine, key: Made) -> AsyncGenerator[None]:
    """Whoever makes or ends keys of the client within this block waits for its end, and goes on in line."""
    async with transaction(engine) as connection:
        statement = text("SELECT FROM clients WHERE id = :id FOR UPDATE")
        await connection.execute(statement, {"id": key.row.client_id})
        yield


async def end(sql: Any, key: Made) -> None:
    await sql("UPDATE keys SET expires_at = now(), granted_until = now() WHERE id = :id", id=key.id)


async def test_a_key_ends_when_it_was_asked_to(engine: AsyncEngine, key: Made) -> None:
    made = await make_key(engine, key.row.client_id, expires_in=600)

    assert made.row.made_by is None
    assert made.row.expires_at == made.row.created_at + timedelta(seconds=600)


async def test_a_key_made_by_a_key_lives_no_longer_than_its_maker(engine: AsyncEngine, key: Made) -> None:
    maker = await make_key(engine, key.row.client_id, expires_in=600)

    longer = await make_key(engine, key.row.client_id, expires_in=3600, made_by=maker.id)
    unending = await make_key(engine, key.row.client_id, made_by=maker.id)
    shorter = await make_key(engine, key.row.client_id, expires_in=60, made_by=maker.id)

    assert longer.row.expires_at == unending.row.expires_at == maker.row.expires_at
    assert shorter.row.expires_at == shorter.row.created_at + timedelta(seconds=60)


async def test_a_key_needs_a_client_and_a_maker_of_that_client(engine: AsyncEngine, key: Made) -> None:
    strangers = await make_client(engine)

    with pytest.raises(NotFound) as no_client:
        await make_key(engine, new_client_id())
    with pytest.raises(NotFound) as no_maker:
        await make_key(engine, key.row.client_id, made_by=strangers.id)

    assert no_client.value.code == "client_not_found"
    assert no_maker.value.code == "key_not_found"


@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_a_key_that_has_ended_makes_and_rotates_nothing(
    engine: AsyncEngine, key: Made, sql: Any, how: str
) -> None:
    if how == "revoked":
        await keys.revoke(engine, key.id, entry=ENTRY)
    else:
        await end(sql, key)

    with pytest.raises(Conflict) as made:
        await make_key(engine, key.row.client_id, made_by=key.id)
    with pytest.raises(Conflict) as rotated:
        await keys.rotate(engine, key.id, new_key(), overlap=60, entry=ENTRY)

    assert made.value.code == rotated.value.code == "key_ended"


async def test_a_client_has_a_bounded_number_of_good_keys(engine: AsyncEngine, key: Made) -> None:
    *_, second = [await make_key(engine, key.row.client_id) for _ in range(MOST_KEYS - 1)]

    with pytest.raises(Conflict) as refused:
        await make_key(engine, key.row.client_id)
    await keys.revoke(engine, second.id, entry=ENTRY)
    await make_key(engine, key.row.client_id)

    assert refused.value.code == "too_many_keys"


async def test_revoking_a_key_ends_all_that_came_from_it_and_nothing_else(engine: AsyncEngine, key: Made) -> None:
    chain = await make_chain(engine, key, 5)
    beside = await make_key(engine, key.row.client_id, made_by=chain[1].id)
    above, sibling = chain[0], await make_key(engine, key.row.client_id)

    revoked = await keys.revoke(engine, chain[1].id, entry=ENTRY)

    assert revoked == {chain[1].id, chain[2].id, chain[3].id, chain[4].id, beside.id}
    assert await good(engine, above.id, sibling.id, *revoked) == {above.id, sibling.id}


async def test_a_key_can_be_revoked_again_and_again_and_keeps_its_first_end(engine: AsyncEngine, key: Made) -> None:
    await keys.revoke(engine, key.id, entry=ENTRY)
    first = await now(engine, key.id)

    assert await keys.revoke(engine, key.id, entry=ENTRY) == set()
    assert await now(engine, key.id) == first


async def test_a_key_of_another_client_is_no_key(engine: AsyncEngine, key: Made) -> None:
    another = await make_client(engine)

    with pytest.raises(NotFound) as foreign:
        await keys.revoke(engine, key.id, client_id=another.row.client_id, entry=ENTRY)
    with pytest.raises(NotFound) as missing:
        await keys.revoke(engine, new_key().id, client_id=another.row.client_id, entry=ENTRY)
    with pytest.raises(NotFound) as rotated:
        await keys.rotate(engine, key.id, new_key(), overlap=0, client_id=another.row.client_id, entry=ENTRY)

    errors = [(error.value.code, error.value.detail) for error in (foreign, missing, rotated)]
    assert errors == [("key_not_found", "There is no such key.")] * 3
    assert await good(engine, key.id) == {key.id}


async def test_a_key_made_while_its_maker_is_being_revoked_is_refused(
    engine: AsyncEngine, key: Made, in_line: Any
) -> None:
    maker = await make_key(engine, key.row.client_id, made_by=key.id)
    async with asyncio.TaskGroup() as tasks, client_held(engine, key):
        revoking = tasks.create_task(keys.revoke(engine, key.id, entry=ENTRY))
        await in_line(1)
        making = tasks.create_task(asyncio.wait_for(_refused(make_key(engine, key.row.client_id, made_by=maker.id)), 9))
        await in_line(2)

    assert revoking.result() == {key.id, maker.id}
    assert making.result() == "key_ended"


async def test_a_key_made_just_before_its_makers_maker_is_revoked_ends_with_it(
    engine: AsyncEngine, key: Made, in_line: Any
) -> None:
    maker = await make_key(engine, key.row.client_id, made_by=key.id)
    async with asyncio.TaskGroup() as tasks, client_held(engine, key):
        making = tasks.create_task(make_key(engine, key.row.client_id, made_by=maker.id))
        await in_line(1)
        revoking = tasks.create_task(keys.revoke(engine, key.id, entry=ENTRY))
        await in_line(2)

    assert revoking.result() == {key.id, maker.id, making.result().id}


async def _refused(making: Any) -> str:
    with pytest.raises(Conflict) as refused:
        await making
    return refused.value.code


async def test_after_a_rotation_both_keys_are_good_until_the_overlap_is_over(engine: AsyncEngine, key: Made) -> None:
    new = await keys.rotate(engine, key.id, new_key(), overlap=3600, entry=ENTRY)

    old = await now(engine, key.id)
    assert await good(engine, key.id, new.id) == {key.id, new.id}
    assert about(old.expires_at, new.created_at + timedelta(seconds=3600))
    assert (new.client_id, new.made_by, new.expires_at) == (key.row.client_id, None, None)


async def test_without_an_overlap_the_old_key_ends_at_once(engine: AsyncEngine, key: Made) -> None:
    new = await keys.rotate(engine, key.id, new_key(), overlap=0, entry=ENTRY)

    assert await good(engine, key.id, new.id) == {new.id}


async def test_an_overlap_never_puts_off_an_end(engine: AsyncEngine, key: Made) -> None:
    soon = await make_key(engine, key.row.client_id, expires_in=60)

    new = await keys.rotate(engine, soon.id, new_key(), overlap=3600, entry=ENTRY)

    assert (await now(engine, soon.id)).expires_at == soon.row.expires_at == new.expires_at


async def test_a_new_key_takes_over_the_maker_and_the_end_that_the_old_one_was_made_with(
    engine: AsyncEngine, key: Made
) -> None:
    made = await make_key(engine, key.row.client_id, expires_in=86_400, made_by=key.id)

    new = await keys.rotate(engine, made.id, new_key(), overlap=60, by=made.id, entry=ENTRY)
    again = await keys.rotate(engine, made.id, new_key(), overlap=60, by=made.id, entry=ENTRY)

    assert new.expires_at == again.expires_at == made.row.expires_at
    assert new.made_by == again.made_by == key.id
    assert await keys.revoke(engine, made.id, entry=ENTRY) == {made.id}
    assert await keys.revoke(engine, key.id, entry=ENTRY) == {key.id, new.id, again.id}


async def test_a_key_that_rotates_another_is_the_new_ones_maker(engine: AsyncEngine, key: Made) -> None:
    short = await make_key(engine, key.row.client_id, expires_in=600, made_by=key.id)

    new = await keys.rotate(engine, key.id, new_key(), overlap=3600, by=short.id, entry=ENTRY)

    assert (new.made_by, new.expires_at) == (short.id, short.row.expires_at)
    assert await keys.revoke(engine, short.id, entry=ENTRY) == {short.id, new.id}


async def test_what_a_rotated_key_has_made_ends_when_it_was_to_end(engine: AsyncEngine, key: Made) -> None:
    before = await make_key(engine, key.row.client_id, expires_in=86_400, made_by=key.id)
    await keys.rotate(engine, key.id, new_key(), overlap=60, entry=ENTRY)
    after = await make_key(engine, key.row.client_id, made_by=key.id)

    assert (await now(engine, before.id)).expires_at == before.row.expires_at
    assert after.row.expires_at == (await now(engine, key.id)).expires_at
    assert await keys.revoke(engine, key.id, entry=ENTRY) == {key.id, before.id, after.id}


async def test_a_rotation_that_cannot_be_made_whole_leaves_the_old_key_as_it_was(
    engine: AsyncEngine, key: Made
) -> None:
    for _ in range(MOST_KEYS - 1):
        await make_key(engine, key.row.client_id)

    with pytest.raises(Conflict):
        await keys.rotate(engine, key.id, new_key(), overlap=60, entry=ENTRY)

    assert await now(engine, key.id) == key.row


async def test_keys_are_listed_page_by_page_the_newest_first_with_those_that_have_ended(
    engine: AsyncEngine, key: Made
) -> None:
    others = await make_client(engine)
    made = [key.id, *[(await make_key(engine, key.row.client_id)).id for _ in range(4)]]
    await keys.revoke(engine, made[2], entry=ENTRY)

    first = await keys.page(engine, key.row.client_id, after=None, limit=3)
    rest = await keys.page(engine, key.row.client_id, after=Place(first[-1].created_at, first[-1].id), limit=3)

    assert [row.id for row in first + rest] == made[::-1]
    assert [row.revoked_at is None for row in first] == [True, True, False]
    assert others.id not in made
