"""Replicas that are not there yet, die, come back, and are primaries one day: no request hears of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.carriers import RedisCarrier
from in_process.deadlines import eventually
from in_process.moving import Mover
from in_process.replicating import pool
from polling_api.domain.job import Job
from running.asking import asking
from running.cluster import Cluster
from running.jobs import SET
from running.replication import Replicated, address_by, kill, promote, replicated, shown, socket_of
from running.service import Service, running_service
from running.tcp_proxy import TcpProxy, tcp_proxy

FOUND_WITHIN = 60.0  # seconds, on a busy machine
AT_ONCE = 20


@pytest.fixture(scope="module")
def servers(cluster: Cluster, servers_folder: Path) -> Iterator[Replicated]:
    with replicated(cluster, servers_folder / "coming", replicas=2) as started:
        yield started


@pytest.fixture(scope="module")
async def primary(servers: Replicated) -> AsyncIterator[AsyncEngine]:
    async with pool(servers.primary.url) as engine:
        yield engine


@pytest.fixture(scope="module")
async def to_second(servers: Replicated) -> AsyncIterator[TcpProxy]:
    """The way to the second replica, on which nobody listens at first."""
    async with tcp_proxy(path=socket_of(servers.replicas[1])) as proxy:
        proxy.refuse()
        yield proxy


@pytest.fixture(scope="module")
async def service(
    servers: Replicated, to_second: TcpProxy, redis: RedisCarrier, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    replicas = f"{servers.replica.url}, {address_by(to_second)}"
    settings = {"replica_urls": replicas, "warm_jobs": "0"}
    folder = tmp_path_factory.mktemp("coming")
    async with running_service(
        servers.primary.url, redis.server.url, folder=folder, monitor=False, settings=settings
    ) as running:
        yield running


@pytest.fixture(scope="module")
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(service.url, patience=30) as asked:
        yield asked


async def until_known_as(client: httpx.AsyncClient, *wanted: str) -> dict[str, Any]:
    """Ask until the replicas are as wanted, `ok` or what is told of them; the whole answer."""
    async with asyncio.timeout(FOUND_WITHIN):
        while True:
            ready = (await client.get("/health/ready")).json()
            parts = [ready["parts"][f"replica {number}"] for number in range(1, len(wanted) + 1)]
            told = [part.get("reason", part["status"]) for part in parts]
            if all(want in one for want, one in zip(wanted, told, strict=True)):
                return ready
            await asyncio.sleep(0.1)


async def figures(client: httpx.AsyncClient) -> dict[str, float]:
    """What `/metrics` tells of replicas, by the line's beginning."""
    lines = (await client.get("/metrics")).text.splitlines()
    told = [line.rpartition(" ") for line in lines if line.startswith("polling_replica_")]
    return {name: float(value) for name, _, value in told}


async def polled(client: httpx.AsyncClient, jobs: list[Job]) -> list[int]:
    """Poll each job once; the status codes."""
    room = asyncio.Semaphore(AT_ONCE)

    async def poll(job: Job) -> int:
        async with room:
            return (await client.get(f"{SET}/{job.id}")).status_code

    return await asyncio.gather(*map(poll, jobs))


async def test_they_are_taken_as_they_come_and_given_up_as_they_go_and_no_request_hears_of_it(
    client: httpx.AsyncClient, servers: Replicated, to_second: TcpProxy, primary: AsyncEngine
) -> None:
    jobs = await Mover(primary).store(300)
    for server in servers.replicas:
        await shown(servers.primary, server)

    without = await until_known_as(client, "ok", "does not answer")
    await to_second.listen()
    with_both = await until_known_as(client, "ok", "ok")
    polls = await polled(client, jobs[:100])
    by_turns = await figures(client)

    kill(servers.replica)
    polls += await polled(client, jobs[100:200])
    dead = await until_known_as(client, "does not answer", "ok")
    while_dead = await figures(client)
    polls += await polled(client, jobs[200:])
    await eventually(lambda: not servers.replica.alive)
    servers.replica.restart()
    await until_known_as(client, "ok", "ok")

    assert (without["status"], with_both["status"], dead["status"]) == ("degraded", "ready", "degraded")
    assert set(polls) == {200}
    assert by_turns['polling_replica_rows_total{replica="replica 1"}'] > 0
    assert by_turns['polling_replica_rows_total{replica="replica 2"}'] > 0
    assert by_turns['polling_replica_lookups_total{outcome="hit"}'] == 100
    assert while_dead['polling_replica_in_rotation{replica="replica 1"}'] == 0
    assert while_dead['polling_replica_in_rotation{replica="replica 2"}'] == 1
    assert 'polling_replica_lag_seconds{replica="replica 2"}' in while_dead


async def test_one_that_is_a_primary_by_now_is_told_of_and_not_asked(
    client: httpx.AsyncClient, servers: Replicated, primary: AsyncEngine
) -> None:
    await until_known_as(client, "ok", "ok")
    await promote(servers.replicas[1])
    jobs = await Mover(primary).store(20)  # which it does not know: it is on a log of its own

    ready = await until_known_as(client, "ok", "is no replica")
    polls = await polled(client, jobs)

    assert ready["status"] == "degraded"
    assert polls == [200] * 20
