"""A primary with two streaming replicas, for tests that leave them as they are."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.moving import Mover
from in_process.replicating import pool
from running.cluster import Cluster
from running.replication import Replicated, replicated


@pytest.fixture(scope="module")
def servers(cluster: Cluster, servers_folder: Path) -> Iterator[Replicated]:
    with replicated(cluster, servers_folder / "replicated", replicas=2) as started:
        yield started


@pytest.fixture(scope="module")
async def primary(servers: Replicated) -> AsyncIterator[AsyncEngine]:
    async with pool(servers.primary.url) as engine:
        yield engine


@pytest.fixture
def mover(primary: AsyncEngine) -> Mover:
    return Mover(primary)
