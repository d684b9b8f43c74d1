"""Dispatchers over a database that nothing else runs on."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.engine import transaction
from polling_api.webhooks.dispatcher import Dispatcher
from polling_api.webhooks.outbound import GuardedClient
from polling_api.webhooks.sender import Sender
from polling_api.webhooks.turns import Bounds, Turns
from running.emptying import delete_all
from running.keyholders import VAULT

Dispatching = Callable[..., AbstractAsyncContextManager[Dispatcher]]
QUICK = (0.0, 0.0, 0.0)  # seconds: failed three times, it is tried again at once
BOUNDS = Bounds(whole=64, destination=8, owner=32, destination_rate=10_000, owner_rate=10_000)


@pytest.fixture(autouse=True)
async def empty(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        await delete_all(connection)


@pytest.fixture
def dispatching(engine: AsyncEngine) -> Dispatching:
    """Run a dispatcher for the time of a block."""

    @asynccontextmanager
    async def run(
        *, within: float = 10, private: bool = True, bounds: Bounds = BOUNDS, **options: Any
    ) -> AsyncGenerator[Dispatcher]:
        client = GuardedClient(allow_private=private, ports=None)
        given: dict[str, Any] = {"schedule": QUICK, "wake": asyncio.Event(), "longest_rest": 0.05, **options}
        dispatcher = Dispatcher(
            engine,
            Sender(client, VAULT.open, within=within),
            Turns(bounds, time.monotonic),
            owner=uuid4().hex,
            within=within,
            **given,
        )
        running = asyncio.create_task(dispatcher.run())
        try:
            yield dispatcher
        finally:
            await dispatcher.stop()
            await running
            await client.close()

    return run
