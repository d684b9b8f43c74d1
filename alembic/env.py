"""How Alembic reaches the database: async, and one process at a time."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from polling_api.store.engine import CONNECT_TIMEOUT, driver_numbers, driver_url
from polling_api.store.tables import belongs_to_the_schema, metadata

MIGRATING = 0x706F6C6C696E67  # "polling": the name of the lock, known to all our processes
WAIT_FOR_OTHERS = 60.0  # seconds: a migration takes seconds; whoever needs longer is run by hand
ASK_EVERY = 0.1  # seconds
# A migration that queues behind a long query makes everybody queue behind itself: better it fails.
LOCK_TIMEOUT = "5s"


async def migrate() -> None:
    url = driver_url(address())
    limits = {"timeout": CONNECT_TIMEOUT, **driver_numbers(url)}
    engine = create_async_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=limits)
    async with engine.connect() as connection:
        await wait_for_others(connection)
        await connection.execute(text("SELECT set_config('lock_timeout', :limit, false)"), {"limit": LOCK_TIMEOUT})
        await connection.commit()
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


async def wait_for_others(connection: AsyncConnection) -> None:
    """Take the lock for this session, asking again and again.

    Waiting inside Postgres would be an open transaction, for whose end another's CREATE INDEX CONCURRENTLY
    waits: two processes would wait for each other.
    """
    async with asyncio.timeout(WAIT_FOR_OTHERS):
        while not await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": MIGRATING}):
            await connection.rollback()
            await asyncio.sleep(ASK_EVERY)
    await connection.commit()


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, include_name=belongs_to_the_schema)
    with context.begin_transaction():
        context.run_migrations()


def address() -> str:
    url = context.config.attributes.get("url") or os.environ.get("POLLING_DATABASE_URL")
    if not url:
        raise RuntimeError("Set POLLING_DATABASE_URL to the address of the database to migrate.")
    return url


asyncio.run(migrate())
