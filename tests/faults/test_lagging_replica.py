"""A replica that replays nothing: polls are read from it, but for those who have seen more than it knows."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.asked_of_postgres import count_statements
from in_process.carriers import RedisCarrier
from in_process.deadlines import eventually
from in_process.moving import Mover
from in_process.readers import FORM
from in_process.replicating import pool
from polling_api.domain.job import Job, Status
from polling_api.representation import Snapshot
from polling_api.store.engine import statements
from running.asking import until_answered
from running.cluster import Cluster
from running.jobs import SET
from running.replication import Replicated, kill, paused, replicated, shown
from running.service import Service, running_service

JOBS = 100
READS = 1_000
AT_ONCE = 20
# The replica is believed for as long as an answer may be old, however much it lacks: what keeps the order is all else.
BELIEVED = {"replica_lag": "600", "compare_every": "10", "warm_jobs": "0", "overload_lag": "10"}
READS_OF_JOBS = text(
    "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE '%FROM jobs%WHERE jobs.id = ANY%'"
)

Answers = Sequence[tuple[int, httpx.Response]]
"""Answers, each with the version that whoever asked had seen."""


@pytest.fixture(scope="module")
def servers(cluster: Cluster, servers_folder: Path) -> Iterator[Replicated]:
    with replicated(cluster, servers_folder / "lagging") as started:
        yield started


@pytest.fixture(scope="module")
async def primary(servers: Replicated) -> AsyncIterator[AsyncEngine]:
    async with pool(servers.primary.url) as engine:
        await count_statements(engine)
        yield engine


@pytest.fixture(scope="module")
async def service(
    servers: Replicated, redis: RedisCarrier, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    settings = {"replica_urls": servers.replica.url, **BELIEVED}
    folder = tmp_path_factory.mktemp("lagging")
    async with running_service(
        servers.primary.url, redis.server.url, folder=folder, monitor=False, settings=settings
    ) as running:
        yield running


@pytest.fixture(scope="module")
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.url, timeout=30, trust_env=False) as asked:
        yield asked


@pytest.fixture
async def stored(primary: AsyncEngine, servers: Replicated, client: httpx.AsyncClient) -> tuple[Mover, list[Job]]:
    """Jobs that nobody has asked for yet, the replica neither, and it is asked."""
    mover = Mover(primary)
    jobs = await mover.store(JOBS + 1)
    await mover.take()
    await shown(servers.primary, servers.replica)
    await until_answered(client, "/health/ready", lambda answer: answer.json()["parts"]["replica 1"]["status"] == "ok")
    return mover, jobs


async def asked(client: httpx.AsyncClient, seen: Sequence[Job], *, times: int = READS) -> Answers:
    """Ask so many times for jobs by turns, each time with the entity tag of what was seen."""
    room = asyncio.Semaphore(AT_ONCE)

    async def ask(job: Job) -> tuple[int, httpx.Response]:
        tag = Snapshot(job).rendered(FORM).etag
        async with room:
            return job.version, await client.get(f"{SET}/{job.id}", headers={"If-None-Match": tag})

    return await asyncio.gather(*(ask(seen[number % len(seen)]) for number in range(times)))


def older(answers: Answers) -> list[str]:
    """The answers that show less than whoever asked had seen."""
    return [answer.text for seen, answer in answers if answer.status_code == 200 and answer.json()["version"] < seen]


def kinds(answers: Answers) -> Counter[str]:
    """How many answers there are of each status; "marked" if they are said to be from a snapshot."""
    return Counter(kind_of(answer) for _, answer in answers)


def kind_of(answer: httpx.Response) -> str:
    if answer.status_code >= 400:
        return f"{answer.status_code} {answer.json()['code']}"
    return f"{answer.status_code} marked" if "x-served-from" in answer.headers else f"{answer.status_code}"


async def reads_of_jobs(url: str) -> int:
    async with pool(url) as engine, statements(engine) as connection:
        return int(await connection.scalar(READS_OF_JOBS))


async def test_a_thousand_polls_of_what_is_not_in_memory_ask_the_replica_and_not_the_primary(
    client: httpx.AsyncClient, servers: Replicated, stored: tuple[Mover, list[Job]]
) -> None:
    _, jobs = stored
    both = (servers.primary.url, servers.replica.url)
    before = [await reads_of_jobs(url) for url in both]

    answers = await asked(client, jobs[:JOBS])

    after = [await reads_of_jobs(url) for url in both]
    on_primary, on_replica = (count - earlier for count, earlier in zip(after, before, strict=True))
    assert kinds(answers) == {"304": READS}
    assert on_primary == 0
    assert 1 <= on_replica < READS / 2


async def test_a_thousand_reads_with_a_newer_validator_get_nothing_older(
    client: httpx.AsyncClient, servers: Replicated, stored: tuple[Mover, list[Job]]
) -> None:
    mover, jobs = stored
    async with paused(servers.replica):
        newer = await mover.commit(jobs, Status.IN_PROGRESS)
        unconditional = await client.get(f"{SET}/{newer[-1].id}")

        answers = await asked(client, newer[:JOBS])

    assert unconditional.json()["version"] == 1  # so the replica was believed, and it did lag
    assert older(answers) == []
    assert kinds(answers) == {"304": READS}


async def test_with_the_primary_down_the_same_get_a_304_a_503_or_a_marked_snapshot(
    client: httpx.AsyncClient, servers: Replicated, stored: tuple[Mover, list[Job]]
) -> None:
    mover, jobs = stored
    known, unknown = jobs[: JOBS // 2], jobs[JOBS // 2 :]
    for job in known:
        await client.get(f"{SET}/{job.id}")
    async with paused(servers.replica):
        newer = await mover.commit(unknown, Status.IN_PROGRESS)
        kill(servers.primary)
        try:
            await until_answered(client, f"{SET}/{known[0].id}", lambda answer: "x-served-from" in answer.headers)
            with_newer, with_known = await asked(client, newer), await asked(client, known, times=JOBS)
            first = await client.get(f"{SET}/{unknown[0].id}")
        finally:
            await eventually(lambda: not servers.primary.alive)
            servers.primary.restart()
    await until_answered(client, "/health/ready", lambda answer: answer.json()["parts"]["postgres"]["status"] == "ok")

    assert older([*with_newer, *with_known]) == []
    assert kinds(with_newer) == {"503 unavailable": READS}
    assert kinds(with_known) == {"304 marked": JOBS}
    assert (first.status_code, first.headers["x-served-from"], first.json()["version"]) == (200, "snapshot", 1)
    assert int(first.headers["age"]) >= 10
