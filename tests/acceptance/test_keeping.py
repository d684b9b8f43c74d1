"""Contract: what is kept for how long; here for seconds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

import httpx
import pytest

from running.asking import asking
from running.jobs import Job, ended_job, read
from running.service import running_service

WITHIN = 20.0  # seconds; far above the two and six for which things are kept here

Until = Callable[[str, int], Awaitable[httpx.Response]]


@pytest.fixture(scope="module")
async def client(
    postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """Asks a service that keeps results for two seconds, and jobs for six."""
    short = {"results_keep": "2", "jobs_keep": "6", "retention_every": "0.2"}
    folder = tmp_path_factory.mktemp("keeping")
    async with (
        running_service(postgres_url, redis_url, folder=folder, settings=short) as service,
        asking(service.url) as client,
    ):
        yield client


@pytest.fixture
def until(client: httpx.AsyncClient) -> Until:
    """Ask again and again until an address answers with a status."""

    async def ask(path: str, status: int) -> httpx.Response:
        async with asyncio.timeout(WITHIN):
            while (answer := await client.get(path)).status_code != status:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        return answer

    return ask


async def test_results_go_first_then_the_job_with_its_history(client: httpx.AsyncClient, until: Until) -> None:
    job = await ended_job(client)
    results, history = job["links"]["results"], f"{job['links']['self']}/history"

    gone = await until(results, 410)
    between = [(await read(client, job)).json(), (await client.get(history)).status_code]
    missing = [await until(path, 404) for path in (job["links"]["self"], results, history)]

    assert gone.json()["code"] == "results_expired"
    assert between == [job, 200]
    assert {answer.json()["code"] for answer in missing} == {"job_not_found"}


async def test_a_finished_job_says_until_when_it_has_results_and_nobody_caches_it_for_longer(
    client: httpx.AsyncClient,
) -> None:
    job = await ended_job(client)

    answer = await read(client, job)

    assert kept(job) == 2.0
    assert int(answer.headers["cache-control"].removeprefix("private, max-age=")) <= 2


def kept(job: Job) -> float:
    """For how many seconds after its end a job has results."""
    finished, expire = (datetime.fromisoformat(job[name]) for name in ("finished_at", "results_expire_at"))
    return (expire - finished).total_seconds()
