"""With no synchronous replica there to confirm a commit, nobody is told that it is stored.

Postgres ends no such wait by its own limit on statements, which would let the commit pass for a good one.
"""

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.moving import Mover
from in_process.replicating import pool
from polling_api.store import jobs
from polling_api.store.availability import Away
from polling_api.store.beats import beat
from polling_api.store.engine import statements
from running.replication import Replicated, unacknowledged

GIVEN_UP = 0.5  # seconds for a statement, and one more until the driver gives up on the server


async def test_a_job_is_not_accepted_that_a_failover_would_lose(servers: Replicated) -> None:
    async with pool(servers.primary.url, patience=GIVEN_UP) as engine:
        async with unacknowledged(servers.primary):
            with pytest.raises(Away):
                await Mover(engine).store()
        [later] = await Mover(engine).store()

        assert (await jobs.read(engine, [later.id])).keys() == {later.id}


async def test_nor_is_what_a_single_statement_writes(servers: Replicated) -> None:
    write = text("SELECT pg_logical_emit_message(true, 'tests', '')")
    async with pool(servers.primary.url, patience=GIVEN_UP) as engine:
        async with unacknowledged(servers.primary):
            with pytest.raises(Away):
                await _written(engine, write)
        await _written(engine, write)


async def test_a_beat_waits_for_no_replica(servers: Replicated) -> None:
    async with pool(servers.primary.url, patience=GIVEN_UP) as engine, unacknowledged(servers.primary):
        beats = [await beat(engine, spacing=0) for _ in range(3)]

    assert len({one and one.name for one in beats}) == 3


async def _written(engine: AsyncEngine, write: TextClause) -> None:
    async with statements(engine) as connection:
        await connection.execute(write)
