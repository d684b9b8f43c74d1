"""Contract: a rush of submits from one address keeps nobody else waiting."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from polling_api.store import unfinished
from polling_api.store.engine import driver_url
from running.jobs import SET, batch
from running.service import FASTER, Service
from running.visitors import new_address, visitor

POOL = int(FASTER["pool_size"]) + int(FASTER["pool_overflow"])
RUSH = 2 * POOL
WITHIN = 20.0  # seconds
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"


@asynccontextmanager
async def address_taken(database_url: str, address: str) -> AsyncGenerator[AsyncConnection]:
    """A connection that stores for an address, and takes its time, until the end of the block."""
    engine = create_async_engine(driver_url(database_url), poolclass=NullPool)
    async with engine.connect() as connection:
        lock = unfinished._lock_of(address)  # pyright: ignore[reportPrivateUsage]
        await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": lock})
        await connection.commit()
        yield connection


async def until_waiting(connection: AsyncConnection) -> None:
    async with asyncio.timeout(WITHIN):
        while not await connection.scalar(text(WAITING)):
            await connection.rollback()
            await asyncio.sleep(0.05)


@pytest.fixture
async def neighbour(beset: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with visitor(beset.url) as asking:
        yield asking


async def test_submits_of_an_address_wait_for_each_other_and_not_others_for_them(
    beset: Service, beset_database_url: str, neighbour: httpx.AsyncClient
) -> None:
    address = new_address()
    async with (
        visitor(beset.url, address) as rushing,
        asyncio.TaskGroup() as group,
        address_taken(beset_database_url, address) as busy,
    ):
        rush = [group.create_task(rushing.post(SET, json=batch())) for _ in range(RUSH)]
        await until_waiting(busy)
        beside = [await neighbour.post(SET, json=batch()) for _ in range(3)]
        waiting = await busy.scalar(text(WAITING))

    assert [answer.status_code for answer in beside] == [202] * 3
    assert waiting == 1
    assert {task.result().status_code for task in rush} == {202}
