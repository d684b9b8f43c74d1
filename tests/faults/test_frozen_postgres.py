"""A Postgres that is stopped, and answers nothing, not even with an error."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from polling_api.embedded import Server
from running.asking import asking
from running.cluster import Cluster
from running.freezing import frozen
from running.jobs import read, submit
from running.service import Service, running_service

SOON = 8.0  # seconds: the deadline of a read and some room on a busy machine; the driver's own is 17
MISSING = "/api/v1/jobs/job_00000000000000000000000000000000"


@pytest.fixture
def freezing(cluster: Cluster, servers_folder: Path) -> Iterator[Server]:
    server = cluster.server(servers_folder / "freezing")
    yield server
    server.stop()


@pytest.fixture
async def service(freezing: Server, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(freezing.url, redis_url, folder=tmp_path, monitor=False) as running:
        yield running


async def test_nobody_waits_for_it_and_nobody_is_told_a_state_that_may_be_old(
    service: Service, freezing: Server
) -> None:
    async with asking(service.url, patience=40) as client:
        job = await submit(client)
        seen = {"If-None-Match": (await read(client, job)).headers["etag"]}

        with frozen(freezing):
            async with asyncio.timeout(6 + SOON):
                waited = await client.get(job["links"]["self"], params={"wait": 6}, headers=seen)
            async with asyncio.timeout(SOON):
                cold, ready, live = await asyncio.gather(
                    client.get(MISSING), client.get("/health/ready"), client.get("/health/live")
                )
        async with asyncio.timeout(SOON):
            thawed = await client.get(job["links"]["self"], headers=seen)

    assert [answer.status_code for answer in (waited, cold, ready, live)] == [503, 503, 503, 200]
    assert [answer.json()["code"] for answer in (waited, cold)] == ["unavailable", "unavailable"]
    assert all(answer.headers["retry-after"] for answer in (waited, cold))
    assert ready.json()["parts"]["postgres"]["status"] == "down"
    assert thawed.status_code == 304
