"""What an open connection costs a process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.carriers import RedisCarrier
from in_process.crowd import idle_streams, idle_waits, spread, until_held
from in_process.moving import Mover
from polling_api.server import raise_descriptor_limit
from running.budgets import keep
from running.service import Service, running_service

JOBS = 50
WARMED_UP, HELD_OPEN = 200, 2_000
HELD = {"stream": (idle_streams, "/events"), "wait": (idle_waits, "?wait=30")}


@pytest.fixture
async def fresh(postgres_url: str, redis: RedisCarrier, tmp_path: Path) -> AsyncIterator[Service]:
    """A worker of the test's own: the memory that one crowd gave back would be used again by the next."""
    raise_descriptor_limit()  # ours too: a crowd has a socket each
    async with running_service(
        postgres_url, redis.server.url, folder=tmp_path, monitor=False, settings={"log_level": "info"}
    ) as service:
        yield service


@pytest.mark.parametrize(("transport", "budget"), [("stream", "kib.stream"), ("wait", "kib.waiter")])
async def test_what_is_held_open_and_idle_keeps_its_budget_of_memory(
    fresh: Service, engine: AsyncEngine, transport: str, budget: str
) -> None:
    jobs, worker = await Mover(engine).store(JOBS), fresh.workers[0]
    idle, ending = HELD[transport]
    async with idle(fresh.url, spread(jobs, ending, WARMED_UP)):  # what is made once is made now
        await until_held(fresh.url, transport, WARMED_UP)
        before = worker.memory()

        async with idle(fresh.url, spread(jobs, ending, HELD_OPEN)):
            await until_held(fresh.url, transport, WARMED_UP + HELD_OPEN)
            each = (worker.memory() - before) / HELD_OPEN / 1024

    keep(budget, each)
