"""Contract: while the provider does not answer, jobs keep their state, and it is said how old that is."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import httpx
import pytest

from running.jobs import Job, quiet_job, read
from running.service import Service, running_service

LOOK_EVERY = 0.5  # seconds between two polls
WITHIN = 30.0  # seconds: a comparison every 3 s, and room on a busy machine


@pytest.fixture
async def service(
    postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("silent")
    async with running_service(postgres_url, redis_url, folder=folder, settings={"monitor_interval": "2"}) as running:
        yield running


async def test_a_poll_says_since_when_and_asks_for_patience_and_all_is_well_when_it_is_back(service: Service) -> None:
    async with (
        httpx.AsyncClient(base_url=service.url, trust_env=False) as client,
        httpx.AsyncClient(base_url=service.simulator_url, trust_env=False) as simulator,
    ):
        before = await quiet_job(client)
        job: Job = before.json()
        fault = {"kind": "server_error", "count": 1000}
        assert (await simulator.post("/simulator/faults", json=fault)).status_code == 200

        marked = await _until(client, job, observed=True)
        unchanged = await client.get(job["links"]["self"], headers={"If-None-Match": before.headers["etag"]})
        patient = await _until_patient(client, job)
        await simulator.delete("/simulator/faults")
        back = await _until(client, job, observed=False)

    assert "x-state-observed" not in before.headers
    assert marked.json() == job
    observed = datetime.fromisoformat(marked.headers["x-state-observed"])
    assert datetime.fromisoformat(job["created_at"]) <= observed
    assert unchanged.status_code == 304
    assert "x-state-observed" in unchanged.headers
    assert int(patient.headers["x-poll-interval"]) > int(before.headers["x-poll-interval"])
    assert back.headers["x-poll-interval"] == before.headers["x-poll-interval"]


async def _until(client: httpx.AsyncClient, job: Job, *, observed: bool) -> httpx.Response:
    async with asyncio.timeout(2 * WITHIN):
        while ("x-state-observed" in (answer := await read(client, job)).headers) is not observed:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(LOOK_EVERY)
    return answer


async def _until_patient(client: httpx.AsyncClient, job: Job) -> httpx.Response:
    async with asyncio.timeout(WITHIN):
        while int((answer := await read(client, job)).headers["x-poll-interval"]) <= 2:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(LOOK_EVERY)
    return answer
