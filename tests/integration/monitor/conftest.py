"""Monitors over a real database and the real simulator, and an ear for what they publish."""

import asyncio
import socket
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job, Status, new_job_id
from polling_api.monitor import BatchMonitor
from polling_api.providers.openai import OpenAIBatches
from polling_api.providers.simulator.app import create_simulator
from polling_api.providers.simulator.course import Pace
from polling_api.store import jobs
from polling_api.store.engine import transaction
from polling_api.store.jobs import NewJob, NewRequest
from running.emptying import delete_all


class News:
    """What was published, and a way to wait for it."""

    def __init__(self) -> None:
        self.versions: defaultdict[str, list[Job]] = defaultdict(list)
        self._came = asyncio.Condition()

    async def publish(self, published: Sequence[Job], _seen_at: float = 0.0) -> None:
        async with self._came:
            for job in published:
                self.versions[job.id].append(job)
            self._came.notify_all()

    async def reached(self, status: Status, *ids: str, within: float = 30) -> list[Job]:
        """The last published version of each job, as soon as all of them are in `status`."""
        return await self._until(lambda job: job.status is status, ids, within)

    async def ended(self, *ids: str, within: float = 30) -> list[Job]:
        return await self._until(lambda job: job.terminal, ids, within)

    async def _until(self, condition: Callable[[Job], bool], ids: Sequence[str], within: float) -> list[Job]:
        def come() -> bool:
            last = self._last(ids)
            return len(last) == len(ids) and all(map(condition, last))

        async with asyncio.timeout(within), self._came:
            await self._came.wait_for(come)
            return self._last(ids)

    def statuses(self, job_id: str) -> list[str]:
        """The course that was published, each status once."""
        return list(dict.fromkeys(job.status.value for job in self.versions[job_id]))

    def _last(self, ids: Sequence[str]) -> list[Job]:
        return [self.versions[job_id][-1] for job_id in ids if self.versions[job_id]]


CANCELS_IN = 0.3  # seconds: three looks of the monitors here

Submit = Callable[..., Awaitable[str]]
Monitoring = Callable[..., AbstractAsyncContextManager[BatchMonitor]]


class Simulator:
    """The simulator's own controls."""

    def __init__(self, address: str) -> None:
        self.base_url = f"{address}/v1"
        self._client = httpx.AsyncClient(base_url=f"{address}/simulator", timeout=10)

    async def order(self, **fault: Any) -> None:
        (await self._client.post("/faults", json=fault)).raise_for_status()

    async def forget(self) -> None:
        await self._client.delete("/faults")
        await self._client.delete("/calls")

    async def batches(self) -> dict[str, int]:
        """How many batches there are, by the job they carry."""
        return (await self._client.get("/calls")).json()["batches"]

    async def batches_of(self, job_id: str) -> int:
        return (await self.batches()).get(job_id, 0)

    async def statuses(self, job_id: str) -> list[str]:
        """What the provider says of each batch that carries a job, newest first."""
        headers = {"Authorization": "Bearer none"}
        answer = await self._client.get(f"{self.base_url}/batches?limit=100", headers=headers)
        listed = answer.raise_for_status().json()["data"]
        return [batch["status"] for batch in listed if batch["metadata"]["polling_job_id"] == job_id]

    async def calls(self) -> dict[str, int]:
        return (await self._client.get("/calls")).json()["calls"]

    async def close(self) -> None:
        await self._client.aclose()


@pytest.fixture(scope="module")
async def running_simulator(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Simulator]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_simulator(tmp_path_factory.mktemp("simulator"), pace=Pace(cancelling=CANCELS_IN)),
        timeout_graceful_shutdown=1,
        lifespan="off",
        ws="none",
        log_level="warning",
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    simulator = Simulator(f"http://127.0.0.1:{listener.getsockname()[1]}")
    yield simulator
    await simulator.close()
    server.should_exit = True
    await serving


@pytest.fixture
async def simulator(running_simulator: Simulator) -> Simulator:
    """Without the faults that an earlier test ordered."""
    await running_simulator.forget()
    return running_simulator


@pytest.fixture
async def provider(simulator: Simulator) -> AsyncIterator[OpenAIBatches]:
    batches = OpenAIBatches(simulator.base_url, api_key=None, name="simulator", timeout=5, concurrency=8)
    yield batches
    await batches.close()


@pytest.fixture
def news() -> News:
    return News()


@pytest.fixture
async def sql(engine: AsyncEngine) -> Callable[..., Awaitable[Any]]:
    """Run a statement of the test's own; answers the first column of its first row."""

    async def run(statement: str, **parameters: Any) -> Any:
        async with transaction(engine) as connection:
            result = await connection.execute(text(statement), parameters)
            return result.scalar() if result.returns_rows else None

    async with transaction(engine) as connection:
        await delete_all(connection)
    return run


@pytest.fixture
def submit(engine: AsyncEngine, sql: object) -> Submit:
    """Store a job, of which nobody is told."""
    del sql  # it empties the tables first

    async def store(
        script: str | None = None,
        *,
        items: int = 4,
        endpoint: str = "/v1/chat/completions",
        expires_in: float | None = None,
        provider: str = "simulator",
    ) -> str:
        new = NewJob(
            id=new_job_id(),
            client_id=None,
            provider=provider,
            endpoint=endpoint,
            metadata={"simulator": script} if script else {},
            total=items,
            expires_in=expires_in,
            poll_after=1,
        )
        body = '{"model":"small","messages":[{"role":"user","content":"Hello"}]}'
        return (await jobs.create(engine, new, (NewRequest(f"item-{n}", body) for n in range(items)))).job.id

    return store


@pytest.fixture
def monitoring(engine: AsyncEngine, provider: OpenAIBatches, news: News) -> Monitoring:
    """Run a monitor for the time of a block."""

    @asynccontextmanager
    async def run(**changes: Any) -> AsyncGenerator[BatchMonitor]:
        values: dict[str, Any] = {
            "publish": news.publish,
            "owner": uuid4().hex,
            "interval": 0.1,
            "lease": 5,
            "concurrency": 8,
            "results_keep": 3600,
            "submit_within": 3600,
            "wake": asyncio.Event(),
        }
        monitor = BatchMonitor(engine, provider, **values | changes)
        running = asyncio.create_task(monitor.run())
        try:
            yield monitor
        finally:
            await monitor.stop()
            await running

    return run
