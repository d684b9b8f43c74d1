"""What polls cost Postgres and Redis: nothing that grows with the clients."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.carriers import RedisCarrier
from in_process.crowd import Poller
from polling_api.store.engine import statements
from running.asking import asking
from running.jobs import quiet_job
from running.service import Service, running_service

JOBS = 50
LASTS = 6.0  # seconds: two comparisons
SLACK = 10  # calls by which equal stretches of time differ: a comparison more, or a pool's new connection
MONITORED = 2.5 * LASTS  # statements: a monitor claims and asks what is due each second, and a worker compares
PINGED = 2.5 * LASTS  # commands: a ping a second from each hub that hears nothing


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls in a stretch of time, and the polls that were answered in it."""

    statements: int
    commands: int
    polls: int


class Till:
    """Counts what a worker and a monitor ask of Postgres and Redis.

    Args:
        engine: a pool of the database in question.
        redis: the server in question.
        service: what asks.
        addresses: of the active jobs.
    """

    def __init__(self, engine: AsyncEngine, redis: RedisCarrier, service: Service, addresses: Sequence[str]) -> None:
        self._engine = engine
        self._redis = redis
        self._service = service
        self._addresses = addresses

    async def cost_of(self, clients: int) -> Cost:
        """What it costs while so many clients poll for six seconds, each going round all jobs."""
        pollers = [Poller(self._service.url, self._addresses, start=number) for number in range(clients)]
        for poller in pollers:
            await poller.connect()
        before = await self._statements(), await self._commands()
        async with asyncio.timeout(LASTS + 10):
            polls = await asyncio.gather(asyncio.sleep(LASTS, 0), *(poller.poll(LASTS) for poller in pollers))
        after = await self._statements(), await self._commands()
        return Cost(after[0] - before[0], after[1] - before[1], sum(polls))

    async def _statements(self) -> int:
        async with statements(self._engine) as connection:
            calls = await connection.scalar(
                text(
                    "SELECT sum(calls) FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%' "
                    "AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
                )
            )
        return int(calls or 0)

    async def _commands(self) -> int:
        async with self._redis.client() as redis:
            counts = await redis.info("commandstats")
        return sum(count["calls"] for name, count in counts.items() if name not in OURS | SCRIPTED)


OURS = {"cmdstat_info", "cmdstat_hello", "cmdstat_client"}  # what asking for the count asks itself
# What one command that renews many statuses in the cache does within Redis, which nobody sends.
SCRIPTED = {"cmdstat_time", "cmdstat_getrange", "cmdstat_setrange", "cmdstat_pexpireat"}


@pytest.fixture
async def till(postgres_url: str, engine: AsyncEngine, redis: RedisCarrier, tmp_path: Path) -> AsyncIterator[Till]:
    """A service with 50 active jobs, each known to its worker."""
    async with statements(engine) as connection:
        await connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_stat_statements"))
    async with (
        running_service(
            postgres_url,
            redis.server.url,
            folder=tmp_path,
            settings={"monitor_interval": "30", "log_level": "info"},
        ) as service,
        asking(service.url) as client,
    ):
        active = await asyncio.gather(*(quiet_job(client) for _ in range(JOBS)))
        yield Till(engine, redis, service, [answer.json()["links"]["self"] for answer in active])


async def test_polls_cost_statements_and_commands_that_do_not_grow_with_the_clients(till: Till) -> None:
    none = await till.cost_of(0)
    few = await till.cost_of(10)
    many = await till.cost_of(200)

    assert none.statements <= MONITORED + SLACK
    assert none.commands <= PINGED + SLACK
    assert few.polls > 10 * SLACK
    assert abs(few.statements - none.statements) <= SLACK
    assert abs(few.commands - none.commands) <= SLACK
    assert many.polls > 4 * few.polls
    assert abs(many.statements - none.statements) <= SLACK
    assert abs(many.commands - none.commands) <= SLACK
