"""What polls cost Postgres and Redis: nothing that grows with the clients."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.asked_of_postgres import count_statements, statements_asked
from in_process.carriers import RedisCarrier
from in_process.crowd import Poller
from running.asking import asking
from running.jobs import quiet_job
from running.service import Service, running_service

JOBS = 50
LASTS = 6.0  # seconds: two comparisons
SLACK = 10  # calls by which equal stretches of time differ: a comparison more, or a pool's new connection
# Statements a second: two heartbeats of each process, a monitor's two to look for what is due, a worker's one for keys
# and limits, and every three seconds one to compare.
IDLE = 7.5
MONITORED = IDLE * LASTS
PINGED = 2.5 * LASTS  # commands: a ping a second from each hub that hears nothing
CALM = 2 * IDLE  # statements in a second: its own, and those of the next one that come early
CALM_FOR = 3  # seconds in a row: the longest pause in what a worker does by itself
CALM_WITHIN = 30  # seconds; some five on an idle machine
SELDOM = "10000000"  # seconds: deleting what is over takes a dozen statements, at a random moment of so long a time

# A worker shares its counts by one script, and Redis counts the commands in it too.
ROUND = "cmdstat_eval"
LISTENED = 2 * 4 * LASTS  # commands: twice a second the script, the memory's name, the board and its number
ROUNDS = 20 * LASTS  # at most so many while requests are counted
# The same, the processes, and for each page of its own three: of three windows, and now and then of one before.
A_ROUND = 4 + 3 * 4  # commands, whoever and however much is counted
ENTERED = 4 * 2  # commands: a process says every 5 s that it is there


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls in a stretch of time, and the polls that were answered in it."""

    statements: int
    commands: Counter[str]
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
        before = await statements_asked(self._engine), await self._commands()
        async with asyncio.timeout(LASTS + 10):
            polls = await asyncio.gather(asyncio.sleep(LASTS, 0), *(poller.poll(LASTS) for poller in pollers))
        after = await statements_asked(self._engine), await self._commands()
        return Cost(after[0] - before[0], after[1] - before[1], sum(polls))

    async def settle(self) -> None:
        """Wait until nothing is left to do of what was asked before.

        Raises:
            AssertionError: that is not so within 30 s; with the statements of each second.
        """
        counted = [await statements_asked(self._engine)]
        calm = 0
        while calm < CALM_FOR:
            assert len(counted) <= CALM_WITHIN, f"statements of each second: {[b - a for a, b in pairwise(counted)]}"
            await asyncio.sleep(1)
            counted.append(await statements_asked(self._engine))
            calm = calm + 1 if counted[-1] - counted[-2] <= CALM else 0

    async def _commands(self) -> Counter[str]:
        async with self._redis.client() as redis:
            counts = await redis.info("commandstats")
        ours = OURS | SCRIPTED
        return Counter({name: count["calls"] for name, count in counts.items() if name not in ours})


OURS = {"cmdstat_info", "cmdstat_hello", "cmdstat_client"}  # what asking for the count asks itself
# What one command that renews many statuses in the cache does within Redis, which nobody sends.
SCRIPTED = {"cmdstat_time", "cmdstat_getrange", "cmdstat_setrange", "cmdstat_pexpireat"}


@pytest.fixture
async def till(postgres_url: str, engine: AsyncEngine, redis: RedisCarrier, tmp_path: Path) -> AsyncIterator[Till]:
    """A service with 50 active jobs, each known to its worker."""
    await count_statements(engine)
    async with (
        running_service(
            postgres_url,
            redis.server.url,
            folder=tmp_path,
            settings={"monitor_interval": "300", "retention_every": SELDOM, "log_level": "info"},
        ) as service,
        asking(service.url) as client,
    ):
        active = await asyncio.gather(*(quiet_job(client) for _ in range(JOBS)))
        till = Till(engine, redis, service, [answer.json()["links"]["self"] for answer in active])
        await till.settle()
        yield till


async def test_polls_cost_statements_and_commands_that_do_not_grow_with_the_clients(till: Till) -> None:
    none = await till.cost_of(0)
    few = await till.cost_of(10)
    many = await till.cost_of(200)

    assert none.statements <= MONITORED + SLACK
    assert none.commands.total() <= PINGED + LISTENED + SLACK
    assert few.polls > 10 * SLACK
    assert abs(few.statements - none.statements) <= SLACK
    assert few.commands[ROUND] <= ROUNDS + SLACK
    assert few.commands.total() <= few.commands[ROUND] * A_ROUND + PINGED + ENTERED + SLACK
    assert many.polls > 4 * few.polls
    assert abs(many.statements - none.statements) <= SLACK
    # A busy machine makes more rounds at one time than at another, so that their number alone says nothing.
    assert many.commands[ROUND] <= ROUNDS + SLACK
    assert many.commands.total() <= many.commands[ROUND] * A_ROUND + PINGED + ENTERED + SLACK
