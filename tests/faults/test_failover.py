"""The primary is killed and its replica takes over: what may be lost, what may not, and what clients see of it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import httpx

from in_process.carriers import RedisCarrier
from in_process.deadlines import eventually
from in_process.moving import Mover
from in_process.replicating import pool
from polling_api.domain.job import Status
from running.asking import asking, until_answered
from running.cluster import Cluster
from running.events import open_events
from running.jobs import SET, Job, batch, submit
from running.replication import (
    Replicated,
    address_by,
    caught_up,
    cut_off,
    kill,
    promote,
    replicated,
    require_synchronous,
    socket_of,
)
from running.service import running_service
from running.tcp_proxy import TcpProxy, tcp_proxy

FOUND_WITHIN = 60.0  # seconds, on a busy machine
EVERY = 0.05  # seconds between two polls of one client
SETTINGS = {"heartbeat_timeout": "1", "warm_jobs": "0"}


class Stand(NamedTuple):
    """A service that reads from the replica, and reaches whatever is its primary by one address."""

    servers: Replicated
    to_primary: TcpProxy
    client: httpx.AsyncClient

    async def fail_over(self) -> None:
        """Kill the primary, and have the replica take its place."""
        kill(self.servers.primary)
        await eventually(lambda: not self.servers.primary.alive)
        await promote(self.servers.replica)
        self.to_primary.leads_to(path=socket_of(self.servers.replica))

    async def until(self, path: str, holds: Callable[[httpx.Response], bool]) -> httpx.Response:
        """Ask until the answer is as it should be."""
        return await until_answered(self.client, path, holds)


@asynccontextmanager
async def standing(cluster: Cluster, redis: RedisCarrier, servers_folder: Path, logs: Path) -> AsyncGenerator[Stand]:
    async with AsyncExitStack() as stack:
        servers = stack.enter_context(replicated(cluster, servers_folder))
        to_primary = await stack.enter_async_context(tcp_proxy(path=socket_of(servers.primary)))
        settings = {**SETTINGS, "replica_urls": servers.replica.url}
        service = await stack.enter_async_context(
            running_service(address_by(to_primary), redis.server.url, folder=logs, monitor=False, settings=settings)
        )
        client = await stack.enter_async_context(asking(service.url, patience=30))
        yield Stand(servers, to_primary, client)


class Poller:
    """Polls a job with the entity tag of what it saw last, and writes down what it is answered."""

    def __init__(self, client: httpx.AsyncClient, job: Job) -> None:
        self._client = client
        self._path = job["links"]["self"]
        self._tag = ""
        self.versions: list[int] = []
        self.refused: set[int] = set()

    async def run(self) -> None:
        while True:
            answer = await self._client.get(self._path, headers={"If-None-Match": self._tag} if self._tag else {})
            if answer.status_code == 200:
                self.versions.append(answer.json()["version"])
                self._tag = answer.headers["etag"]
            elif answer.status_code != 304:
                self.refused.add(answer.status_code)
            await asyncio.sleep(EVERY)


@asynccontextmanager
async def polling(client: httpx.AsyncClient, job: Job) -> AsyncGenerator[Poller]:
    """Poll a job for as long as the block runs."""
    poller = Poller(client, job)
    task = asyncio.create_task(poller.run())
    try:
        yield poller
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def steps_back(versions: list[int]) -> int:
    return sum(later < earlier for earlier, later in pairwise(versions))


def path_of(job: Job) -> str:
    return str(job["links"]["self"])


async def test_an_asynchronous_replica_lacks_what_it_was_not_told_and_what_was_shown_of_it_gives_way_once(
    cluster: Cluster, redis: RedisCarrier, servers_folder: Path, tmp_path: Path
) -> None:
    async with standing(cluster, redis, servers_folder / "asynchronous", tmp_path) as stand:
        client, servers = stand.client, stand.servers
        job, kept = await submit(client, None), await submit(client, None)
        await caught_up(servers.primary, servers.replica)
        await cut_off(servers.replica)
        async with (
            polling(client, job) as poller,
            open_events(client, job["links"]["events"]) as stream,
            pool(servers.primary.url) as primary,
        ):
            mover = Mover(primary)
            [held] = [one for one in await mover.take() if one.id == job["id"]]
            await mover.commit([held], Status.IN_PROGRESS)
            lost = await submit(client, None)
            await eventually(lambda: poller.versions[-1:] == [2], FOUND_WITHIN)

            await stand.fail_over()
            await eventually(lambda: poller.versions[-1] == 1, FOUND_WITHIN)
            streamed = await stream.rest(FOUND_WITHIN)
        gone = await stand.until(path_of(lost), lambda answer: answer.status_code == 404)
        ready = await stand.until("/health/ready", lambda answer: answer.json()["parts"]["postgres"]["status"] == "ok")
        still_there = await client.get(path_of(kept))
        later = await submit(client, None)

    assert poller.versions == [1, 2, 1]
    assert poller.refused <= {503}
    assert [event.version for event in streamed] == [1, 2]
    assert gone.json()["code"] == "job_not_found"
    assert still_there.json()["version"] == later["version"] == 1
    assert "is no replica" in ready.json()["parts"]["replica 1"]["reason"]


async def test_a_synchronous_replica_has_all_that_was_acknowledged_and_no_version_goes_back(
    cluster: Cluster, redis: RedisCarrier, servers_folder: Path, tmp_path: Path
) -> None:
    async with standing(cluster, redis, servers_folder / "synchronous", tmp_path) as stand:
        client, servers = stand.client, stand.servers
        await require_synchronous(servers.primary, "replica_1")
        acknowledged: list[Job] = []
        job = await submit(client, None)

        async def submit_on() -> None:
            while True:
                answer = await client.post(SET, json=batch())
                if answer.status_code == 202:
                    acknowledged.append(answer.json())

        async with polling(client, job) as poller:
            submitting = [asyncio.create_task(submit_on()) for _ in range(4)]
            await eventually(lambda: len(acknowledged) >= 20, FOUND_WITHIN)
            cancelled = (await client.post(job["links"]["cancel"])).json()
            await stand.fail_over()
            before = len(acknowledged)
            await eventually(lambda: len(acknowledged) >= before + 5, FOUND_WITHIN)
            for task in submitting:
                task.cancel()
            await asyncio.gather(*submitting, return_exceptions=True)
        after = [await stand.until(path_of(one), lambda answer: answer.status_code != 503) for one in acknowledged]
        end = await stand.until(path_of(job), lambda answer: "age" not in answer.headers)

    assert {answer.status_code for answer in after} == {200}
    assert (end.json()["status"], end.json()["version"]) == ("cancelled", cancelled["version"])
    assert steps_back(poller.versions) == 0
    assert poller.refused <= {503}
