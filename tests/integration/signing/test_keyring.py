"""Keys in the memory of a process, over a real primary."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.key_sources import Clock, HeldKeys
from in_process.sources import Door
from polling_api.domain.client import new_key_id
from polling_api.errors import Unavailable
from polling_api.signing.keyring import Keyring
from polling_api.signing.uses import Uses
from polling_api.signing.vault import Vault
from polling_api.store import keys
from polling_api.store.engine import transaction
from polling_api.store.good_keys import PrimaryKeys
from running.keyholders import ENTRY, VAULT, Made, about, make_client, make_key, new_key


async def test_a_key_is_read_once_and_then_found_in_memory(keyring: Keyring, source: HeldKeys, key: Made) -> None:
    first = await keyring.find(key.id)
    again = await keyring.find(key.id)

    assert first
    assert (first.id, first.client_id, first.secret, first.ends_at) == (key.id, key.row.client_id, key.secret, None)
    assert again == first
    assert source.asked == [("find", frozenset({key.id}))]


async def test_keys_that_many_ask_for_at_once_are_read_together(
    keyring: Keyring, source: HeldKeys, key: Made, engine: AsyncEngine
) -> None:
    another = await make_key(engine, key.row.client_id)

    found = await asyncio.gather(*(keyring.find(one.id) for one in [key, another] * 50))

    assert {one.id for one in found if one} == {key.id, another.id}
    assert source.asked == [("find", frozenset({key.id, another.id}))]


async def test_an_unknown_id_is_asked_for_once_in_a_few_seconds(
    keyring: Keyring, source: HeldKeys, clock: Clock
) -> None:
    unknown = new_key_id()

    found = [await keyring.find(unknown) for _ in range(3)]
    soon = len(source.asked)
    clock.let_pass(4)
    found.append(await keyring.find(unknown))

    assert found == [None] * 4
    assert (soon, len(source.asked)) == (1, 2)


@pytest.mark.parametrize("text", ["", "key_", "key_" + "A" * 32, "key_" + "0" * 33, "key_" + "0" * 32 + "\n", "\0"])
async def test_what_does_not_look_like_a_keys_id_is_never_asked_for(
    keyring: Keyring, source: HeldKeys, text: str
) -> None:
    assert await keyring.find(text) is None
    assert source.asked == []


async def test_no_more_is_held_than_the_bounds_allow(source: HeldKeys, key: Made, engine: AsyncEngine) -> None:
    keyring = Keyring(source, VAULT, most_held=2, most_absent=2)
    unknown = [new_key_id() for _ in range(3)]
    made = [key.id, *[(await make_key(engine, key.row.client_id)).id for _ in range(2)]]

    for key_id in (made[0], made[1], made[0], made[2], *unknown):
        await keyring.find(key_id)
    source.asked.clear()
    for key_id in (made[0], made[2], unknown[1], unknown[2]):
        await keyring.find(key_id)

    assert source.asked == []
    assert await keyring.find(made[1])
    assert source.asked == [("find", frozenset({made[1]}))]


async def test_a_key_that_was_revoked_on_one_node_is_refused_on_the_other_after_a_refresh(
    engine: AsyncEngine, keyring: Keyring, key: Made
) -> None:
    child = await make_key(engine, key.row.client_id, made_by=key.id)
    another = Keyring(PrimaryKeys(engine), VAULT)
    before = [await node.find(one.id) for node in (keyring, another) for one in (key, child)]

    keyring.revoked(await keys.revoke(engine, key.id, entry=ENTRY))
    at_once = [await keyring.find(one.id) for one in (key, child)]
    await another.refresh()
    after_a_refresh = [await another.find(one.id) for one in (key, child)]

    assert all(before)
    assert at_once == after_a_refresh == [None, None]
    assert another.ended(key.id)
    assert another.ended(child.id)


async def test_the_loop_refreshes_again_and_again(engine: AsyncEngine, keyring: Keyring, key: Made) -> None:
    await keyring.find(key.id)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(keyring.run())
        await keys.revoke(engine, key.id, entry=ENTRY)
        while await keyring.find(key.id):  # noqa: ASYNC110 - another task's doing, seen by its effect
            await asyncio.sleep(0.05)
        running.cancel()

    assert not keyring.stale


async def test_a_key_that_was_rotated_ends_after_its_overlap_by_the_time_of_day(
    engine: AsyncEngine, source: HeldKeys, key: Made
) -> None:
    moment = datetime.now(UTC)
    keyring = Keyring(source, VAULT, now=lambda: moment)
    await keyring.find(key.id)

    await keys.rotate(engine, key.id, new_key(), overlap=3600, entry=ENTRY)
    await keyring.refresh()
    found = await keyring.find(key.id)
    moment += timedelta(hours=1, minutes=1)

    assert found
    assert about(found.ends_at, moment - timedelta(minutes=1))
    assert await keyring.find(key.id) is None


async def test_a_key_that_ended_before_anybody_asked_for_it_is_not_found(
    engine: AsyncEngine, keyring: Keyring, source: HeldKeys, key: Made
) -> None:
    await keys.revoke(engine, key.id, entry=ENTRY)

    assert [await keyring.find(key.id) for _ in range(2)] == [None, None]
    assert len(source.asked) == 1


async def test_a_key_that_is_gone_from_the_primary_is_not_found_any_more(
    engine: AsyncEngine, keyring: Keyring, key: Made
) -> None:
    await keyring.find(key.id)
    async with transaction(engine) as connection:
        await connection.execute(text("DELETE FROM keys WHERE id = :id"), {"id": key.id})

    await keyring.refresh()

    assert await keyring.find(key.id) is None


async def test_a_refresh_that_comes_late_does_not_bring_back_a_key_that_has_ended(
    engine: AsyncEngine, keyring: Keyring, source: HeldKeys, key: Made
) -> None:
    await keyring.find(key.id)
    async with _late_refresh(keyring, source):
        await keys.revoke(engine, key.id, entry=ENTRY)
        await keyring.refresh()

    assert await keyring.find(key.id) is None
    assert keyring.ended(key.id)


async def test_a_refresh_that_comes_late_does_not_put_off_an_end(
    engine: AsyncEngine, keyring: Keyring, source: HeldKeys, key: Made
) -> None:
    await keyring.find(key.id)
    async with _late_refresh(keyring, source):
        await keys.rotate(engine, key.id, new_key(), overlap=3600, entry=ENTRY)
        await keyring.refresh()

    found = await keyring.find(key.id)
    assert found
    assert found.ends_at


async def test_a_refresh_that_comes_late_does_not_make_what_is_known_younger(
    keyring: Keyring, source: HeldKeys, clock: Clock, key: Made
) -> None:
    await keyring.find(key.id)
    async with _late_refresh(keyring, source):
        clock.let_pass(6)

    assert keyring.stale


@asynccontextmanager
async def _late_refresh(keyring: Keyring, source: HeldKeys) -> AsyncGenerator[None]:
    """A refresh that reads what is true before the block, and is answered after it."""
    door = source.told
    door.close()
    late = asyncio.create_task(keyring.refresh())
    await door.reached()
    source.told = Door()  # for those who come from now on
    yield
    door.open()
    await late


async def test_a_key_that_is_revoked_while_it_is_being_read_is_refused(
    engine: AsyncEngine, keyring: Keyring, source: HeldKeys, key: Made
) -> None:
    source.found.close()
    finding = asyncio.create_task(keyring.find(key.id))
    await source.found.reached()

    await keys.revoke(engine, key.id, entry=ENTRY)
    await keyring.refresh()
    source.found.open()

    assert await finding is None
    assert await keyring.find(key.id) is None


async def test_a_revoke_after_the_last_refresh_is_found_by_the_next_even_if_the_key_was_read_in_between(
    engine: AsyncEngine, keyring: Keyring, key: Made
) -> None:
    await keyring.refresh()
    found = await keyring.find(key.id)

    await keys.revoke(engine, key.id, entry=ENTRY)
    await keyring.refresh()

    assert found
    assert await keyring.find(key.id) is None


async def test_in_its_first_moments_a_process_does_not_say_that_a_key_is_good_for_tokens(
    engine: AsyncEngine, keyring: Keyring, key: Made
) -> None:
    await keys.revoke(engine, key.id, entry=ENTRY)

    with pytest.raises(Unavailable):
        keyring.ended(key.id)
    assert keyring.stale
    await keyring.refresh()

    assert keyring.ended(key.id)
    assert not keyring.ended(new_key_id())
    assert not keyring.stale


async def test_with_the_primary_away_what_is_known_goes_on_and_it_tells_that_it_may_be_old(
    keyring: Keyring, source: HeldKeys, clock: Clock, key: Made
) -> None:
    await keyring.refresh()
    await keyring.find(key.id)
    source.away = True

    with pytest.raises(Unavailable):
        await keyring.refresh()
    with pytest.raises(Unavailable):
        await keyring.find(new_key_id())
    clock.let_pass(4)
    within_5_s = keyring.stale
    clock.let_pass(2)

    assert not within_5_s
    assert keyring.stale
    assert await keyring.find(key.id)
    assert not keyring.ended(key.id)


async def test_a_secret_that_no_master_key_here_opens_is_no_unknown_key(source: HeldKeys, key: Made) -> None:
    keyring = Keyring(source, Vault(["a master key of somebody else"]))

    for _ in range(2):
        with pytest.raises(Unavailable, match="cannot be opened here"):
            await keyring.find(key.id)

    assert len(source.asked) == 1


async def test_uses_are_written_together_once_a_minute(
    engine: AsyncEngine, source: HeldKeys, clock: Clock, key: Made
) -> None:
    another = await make_key(engine, key.row.client_id)
    uses = Uses(source, clock)
    for key_id in (key.id, key.id, another.id):
        uses.note(key_id)

    await uses.flush_if_due()
    before = [row.last_used_at for row in await keys.page(engine, key.row.client_id, after=None, limit=9)]
    clock.let_pass(61)
    await uses.flush_if_due()
    await uses.flush_if_due()
    after = [row.last_used_at for row in await keys.page(engine, key.row.client_id, after=None, limit=9)]

    assert before == [None, None]
    assert source.asked == [("note_used", frozenset({key.id, another.id}))]
    assert all(about(at, datetime.now(UTC) - timedelta(seconds=61)) for at in after)


async def test_uses_are_written_when_the_process_ends(engine: AsyncEngine, keyring: Keyring, key: Made) -> None:
    keyring.used(key.id)

    await keyring.close()

    [row] = await keys.page(engine, key.row.client_id, after=None, limit=10)
    assert about(row.last_used_at, datetime.now(UTC))


async def test_uses_that_could_not_be_written_are_kept_for_the_next_time(
    engine: AsyncEngine, source: HeldKeys, clock: Clock, key: Made
) -> None:
    uses = Uses(source, clock)
    uses.note(key.id)
    source.away = True
    with pytest.raises(Unavailable):
        await uses.flush()
    source.away = False

    await uses.flush()

    [row] = await keys.page(engine, key.row.client_id, after=None, limit=9)
    assert about(row.last_used_at, datetime.now(UTC))


async def test_clients_do_not_know_each_others_keys(engine: AsyncEngine, keyring: Keyring, key: Made) -> None:
    another = await make_client(engine)

    found = [await keyring.find(one.id) for one in (key, another)]

    assert [one.client_id for one in found if one] == [key.row.client_id, another.row.client_id]
    assert key.row.client_id != another.row.client_id
