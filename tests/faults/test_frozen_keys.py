"""Keys while Postgres is stopped, and answers nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.deadlines import eventually
from polling_api.domain.client import new_key_id
from polling_api.embedded import Server
from polling_api.errors import Unavailable
from polling_api.signing.keyring import Keyring
from polling_api.store import keys
from polling_api.store.engine import connect
from polling_api.store.good_keys import PrimaryKeys
from running.cluster import Cluster
from running.freezing import frozen
from running.keyholders import ENTRY, VAULT, make_client, make_key

SOON = 12.0  # seconds: below the driver's own limit of 17, and with room on a busy machine


@pytest.fixture
def freezing(cluster: Cluster, servers_folder: Path) -> Iterator[Server]:
    server = cluster.server(servers_folder / "freezing-keys")
    yield server
    server.stop()


@pytest.fixture
async def pool(freezing: Server) -> AsyncIterator[AsyncEngine]:
    engine = connect(
        freezing.url, pool_size=4, max_overflow=4, pool_timeout=5, statement_timeout=15, application_name="tests"
    )
    yield engine
    await engine.dispose()


async def test_known_keys_go_on_unknown_ones_wait_for_nobody_and_all_is_true_again_soon_after(
    freezing: Server, pool: AsyncEngine
) -> None:
    first = await make_client(pool)
    second = await make_key(pool, first.row.client_id)
    keyring = Keyring(PrimaryKeys(pool), VAULT)
    running = asyncio.create_task(keyring.run())
    await eventually(lambda: not keyring.stale, SOON)
    known = [await keyring.find(key.id) for key in (first, second)]

    with frozen(freezing):
        await eventually(lambda: keyring.stale, SOON)
        still_known = [await keyring.find(key.id) for key in (first, second)]
        async with asyncio.timeout(SOON):
            with pytest.raises(Unavailable):
                await keyring.find(new_key_id())
        ended = keyring.ended(first.id)
    await eventually(lambda: not keyring.stale, SOON)
    await keys.revoke(pool, first.id, entry=ENTRY)
    await eventually(lambda: keyring.ended(first.id), SOON)
    running.cancel()

    assert all(known)
    assert still_known == known
    assert not ended
    assert await keyring.find(first.id) is None
    assert await keyring.find(second.id) == known[1]
