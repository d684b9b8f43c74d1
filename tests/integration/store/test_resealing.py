"""A master key is replaced while the service runs."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.signing.vault import SealedError, Vault
from polling_api.store import good_keys, resealing
from polling_api.store.resealing import Resealed
from running.keyholders import Made, make_client, make_key

OLD, NEW = Vault(["the old master key"]), Vault(["the new master key"])
BOTH = Vault(["the new master key", "the old master key"])


@pytest.fixture
async def old_keys(engine: AsyncEngine, empty: None) -> list[Made]:  # noqa: ARG001 - the table is emptied first
    """Five keys, sealed by the old master key."""
    first = await make_client(engine, vault=OLD)
    return [first, *[await make_key(engine, first.row.client_id, vault=OLD) for _ in range(4)]]


async def opened(engine: AsyncEngine, vault: Vault, made: list[Made]) -> list[bytes]:
    found = await good_keys.find(engine, [key.id for key in made])
    return [vault.open(key.id, found[key.id].sealed) for key in made]


async def test_after_all_is_sealed_anew_the_old_master_key_can_go(engine: AsyncEngine, old_keys: list[Made]) -> None:
    secrets = [key.secret for key in old_keys]
    before = await opened(engine, BOTH, old_keys)

    resealed = await resealing.reseal(engine, BOTH.resealed, batch=2)

    assert before == secrets
    assert resealed == Resealed(seen=5, changed=5)
    assert await opened(engine, NEW, old_keys) == secrets


async def test_what_is_sealed_already_is_left_alone(engine: AsyncEngine, old_keys: list[Made]) -> None:
    await resealing.reseal(engine, BOTH.resealed)
    before = await good_keys.find(engine, [key.id for key in old_keys])

    again = await resealing.reseal(engine, BOTH.resealed)

    assert again == Resealed(seen=5, changed=0)
    assert await good_keys.find(engine, [key.id for key in old_keys]) == before


async def test_cut_short_it_is_begun_again_and_ends_as_if_it_had_not_been(
    engine: AsyncEngine, old_keys: list[Made]
) -> None:
    sealed_so_far: list[str] = []

    def until_the_third(key_id: str, sealed: bytes) -> bytes | None:
        sealed_so_far.append(key_id)
        if len(sealed_so_far) > 2:
            raise KeyboardInterrupt
        return BOTH.resealed(key_id, sealed)

    with pytest.raises(KeyboardInterrupt):
        await resealing.reseal(engine, until_the_third, batch=2)
    resumed = await resealing.reseal(engine, BOTH.resealed, batch=2)

    assert resumed == Resealed(seen=5, changed=3)
    assert await opened(engine, NEW, old_keys) == [key.secret for key in old_keys]


async def test_what_another_has_sealed_meanwhile_is_not_overwritten(engine: AsyncEngine, old_keys: list[Made]) -> None:
    read_before = await resealing.read(engine, limit=10)
    await resealing.reseal(engine, BOTH.resealed)

    late = [(was, OLD.seal(was.owner_id, BOTH.open(was.owner_id, was.sealed))) for was in read_before]

    assert await resealing.replace(engine, late) == 0
    assert await opened(engine, NEW, old_keys) == [key.secret for key in old_keys]


async def test_two_at_once_seal_each_secret_anew_once(engine: AsyncEngine, old_keys: list[Made]) -> None:
    both = await asyncio.gather(*(resealing.reseal(engine, BOTH.resealed, batch=3) for _ in range(2)))

    assert sum(one.changed for one in both) == 5
    assert await opened(engine, NEW, old_keys) == [key.secret for key in old_keys]


@pytest.mark.usefixtures("old_keys")
async def test_a_secret_that_no_master_key_opens_is_named(engine: AsyncEngine) -> None:
    with pytest.raises(SealedError, match="No master key opens the secret of key_"):
        await resealing.reseal(engine, NEW.resealed)
