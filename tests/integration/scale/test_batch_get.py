"""A hundred jobs in one call: what it asks of Postgres, and how soon and how short its answer to a change is."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.asked_of_postgres import count_statements
from in_process.carriers import RedisCarrier
from in_process.deadlines import eventually
from in_process.moving import Mover
from in_process.worker import Worker, worker_here
from polling_api.domain.job import Job, Status
from polling_api.store.engine import statements
from running.asking import asking
from running.jobs import SET

JOBS = 100
ROUNDS = 10  # on a busy machine; what the service makes of it, the best of them shows
ANSWERED_WITHIN = 0.1  # seconds from a commit
READS = text("SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE '%FROM jobs%jobs.id = ANY%'")


class Told(NamedTuple):
    """An answer: the versions in it, how many jobs it says were seen, and when it came, in monotonic seconds."""

    shown: dict[str, int]
    seen: int
    at: float


@pytest.fixture(scope="module")
async def worker(
    postgres_url: str, redis: RedisCarrier, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Worker]:
    async with worker_here(postgres_url, redis.server.url, tmp_path_factory.mktemp("worker")) as here:
        yield here


@pytest.fixture
async def client(worker: Worker) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(worker.url, patience=40) as client:
        yield client


class Caller:
    """Asks for all of some jobs in one call, each with the tag of what it saw."""

    def __init__(self, client: httpx.AsyncClient, worker: Worker, jobs: Sequence[Job]) -> None:
        self._client = client
        self._worker = worker
        self._tags: dict[str, str | None] = dict.fromkeys(job.id for job in jobs)

    async def ask(self, wait: int = 0) -> Told:
        jobs = [{"id": job_id, **({"etag": tag} if tag else {})} for job_id, tag in self._tags.items()]
        answer = await self._client.post(f"{SET}/batch-get", json={"jobs": jobs, "wait": wait})
        at = time.monotonic()
        told: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
        shown = [one for one in told if one["status"] == 200]
        self._tags |= {one["id"]: one["etag"] for one in shown}
        return Told({one["id"]: one["job"]["version"] for one in shown}, len(told) - len(shown), at)

    async def waiting(self) -> asyncio.Task[Told]:
        """A call that waits by now."""
        call = asyncio.create_task(self.ask(wait=30))
        await eventually(lambda: self._worker.core.holding.waits == 1)
        return call


async def seen_once(worker: Worker, client: httpx.AsyncClient, engine: AsyncEngine) -> tuple[Mover, list[Job], Caller]:
    """New jobs, what moves them, and who has seen all of them."""
    mover = Mover(engine)
    jobs = await mover.store(JOBS)
    await mover.take()
    caller = Caller(client, worker, jobs)
    await caller.ask()
    return mover, jobs, caller


async def reads_of_jobs(engine: AsyncEngine) -> int:
    async with statements(engine) as connection:
        return int(await connection.scalar(READS))


async def test_a_hundred_cold_jobs_cost_one_statement_and_warm_ones_none(
    worker: Worker, client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await count_statements(engine)
    caller = Caller(client, worker, await Mover(engine).store(JOBS))
    asked = [await reads_of_jobs(engine)]

    cold = await caller.ask()
    asked.append(await reads_of_jobs(engine))
    warm = await caller.ask()
    asked.append(await reads_of_jobs(engine))

    assert (len(cold.shown), len(warm.shown), warm.seen) == (JOBS, 0, JOBS)
    assert (asked[1] - asked[0], asked[2] - asked[1]) == (1, 0)


async def test_of_a_hundred_that_are_waited_for_the_one_that_changes_is_answered_alone_and_soon(
    worker: Worker, client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    mover, jobs, caller = await seen_once(worker, client, engine)
    delays: list[float] = []

    for job in jobs[:ROUNDS]:
        call = await caller.waiting()
        [newer] = await mover.commit([job], Status.IN_PROGRESS)
        committed_at = time.monotonic()
        await worker.core.hub.publish([newer])
        told = await call
        delays.append(told.at - committed_at)

        assert (told.shown, told.seen) == ({job.id: 2}, JOBS - 1)

    assert min(delays) < ANSWERED_WITHIN


async def test_two_that_change_one_shortly_after_the_other_are_in_one_answer(
    worker: Worker, client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    mover, jobs, caller = await seen_once(worker, client, engine)
    together: list[bool] = []

    for pair in zip(jobs[:ROUNDS], jobs[ROUNDS:], strict=False):
        call = await caller.waiting()
        for newer in await mover.commit(pair, Status.IN_PROGRESS):
            await worker.core.hub.publish([newer])
            await worker.core.hub.flushed()  # a message of its own
        told = await call
        together.append(len(told.shown) == len(pair))
        if not together[-1]:  # the machine had a pause between the two, and the other is told of next
            told = Told(told.shown | (await caller.ask(wait=30)).shown, 0, 0.0)

        assert told.shown == dict.fromkeys((one.id for one in pair), 2)

    assert any(together)
