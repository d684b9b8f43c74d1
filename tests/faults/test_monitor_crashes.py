"""A monitor dies, or is paused, wherever it would hurt most; another takes over."""

import asyncio
import signal
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from faults.monitor_process import MonitorProcess
from polling_api.domain.job import Job, Progress, Status, new_job_id
from polling_api.providers.simulator.app import create_simulator
from polling_api.providers.simulator.course import Pace
from polling_api.store import endings, jobs, results
from polling_api.store.engine import transaction
from polling_api.store.jobs import NewJob, NewRequest
from running.emptying import delete_all

LEASE = 1.0  # seconds
QUICK = "in_progress 0.1s @50%, succeeded @100% fail=1"
LONG = "in_progress 600s @50%, succeeded"

Monitor = Callable[..., AbstractAsyncContextManager[MonitorProcess]]
Submit = Callable[..., Awaitable[str]]
Ended = Callable[[str], Awaitable[Job]]
Batches = Callable[[], Awaitable[dict[str, int]]]


@pytest.fixture(scope="module")
async def simulator(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    app = create_simulator(tmp_path_factory.mktemp("simulator"), pace=Pace(cancelling=0.3))
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, timeout_graceful_shutdown=1, lifespan="off", ws="none", log_level="warning")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.fixture
def batches(simulator: str) -> Batches:
    """How many batches the provider has, by the job they carry."""

    async def count() -> dict[str, int]:
        async with httpx.AsyncClient(base_url=simulator, timeout=5) as client:
            return (await client.get("/simulator/calls")).json()["batches"]

    return count


@pytest.fixture
def monitor(postgres_url: str, simulator: str) -> Monitor:
    """Run a monitor in a process of its own for the time of a block."""

    @asynccontextmanager
    async def run(point: str = "none", nth: int = 1, signal_name: str = "KILL") -> AsyncGenerator[MonitorProcess]:
        process = MonitorProcess(postgres_url, f"{simulator}/v1", LEASE, point, nth, signal_name)
        try:
            yield process
        finally:
            if process.running:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGTERM)
            await process.ended(within=15)

    return run


@pytest.fixture
async def submit(engine: AsyncEngine) -> Submit:
    """Store a job of three items, which its provider does in a moment if not told otherwise; no other is left."""
    async with transaction(engine) as connection:
        await delete_all(connection)

    async def store(script: str = QUICK, expires_in: float | None = None) -> str:
        new = NewJob(
            id=new_job_id(),
            client_id=None,
            provider="simulator",
            endpoint="/v1/chat/completions",
            metadata={"simulator": script},
            total=3,
            expires_in=expires_in,
            poll_after=1,
        )
        requests = [NewRequest(f"item-{n}", '{"model":"small","messages":[]}') for n in range(3)]
        return (await jobs.create(engine, new, requests)).job.id

    return store


@pytest.fixture
def ended(engine: AsyncEngine) -> Ended:
    """Wait for a job's end, which other processes bring about."""

    async def wait(job_id: str) -> Job:
        async with asyncio.timeout(20):
            while not (job := (await jobs.read(engine, [job_id]))[job_id]).terminal:  # noqa: ASYNC110 - outside
                await asyncio.sleep(0.05)
        return job

    return wait


async def running(engine: AsyncEngine, job_id: str) -> None:
    """Wait until a job's progress was seen, so that it has a batch with something done."""
    async with asyncio.timeout(15):
        while (await jobs.read(engine, [job_id]))[job_id].progress.completed == 0:  # noqa: ASYNC110 - outside
            await asyncio.sleep(0.02)


async def paused(process: MonitorProcess) -> None:
    """Wait until it has stopped itself."""
    async with asyncio.timeout(15):
        while not process.paused:  # noqa: ASYNC110 - outside
            await asyncio.sleep(0.02)


async def transitions(engine: AsyncEngine, job_id: str) -> list[int]:
    async with transaction(engine) as connection:
        query = text("SELECT version FROM transitions WHERE job_id = :id ORDER BY version")
        return list((await connection.execute(query, {"id": job_id})).scalars())


@pytest.mark.parametrize(
    ("point", "nth"),
    [
        ("claimed", 1),
        ("saved", 1),
        ("published", 1),
        ("submission saved", 1),
        ("before create", 1),
        ("created", 1),
        ("batch remembered", 1),
        ("saved", 2),
        ("observed", 1),
        ("saved", 3),
        ("results chunk stored", 1),
        ("before settle", 1),
        ("saved", 4),
    ],
)
async def test_a_monitor_killed_at_any_point_costs_neither_a_second_batch_nor_an_item(
    engine: AsyncEngine,
    monitor: Monitor,
    submit: Submit,
    ended: Ended,
    batches: Batches,
    point: str,
    nth: int,
) -> None:
    job_id = await submit()
    async with monitor(point, nth) as first:
        assert await first.ended(within=20) == -signal.SIGKILL

    async with monitor():
        job = await ended(job_id)

    assert job.status is Status.SUCCEEDED
    assert job.progress == Progress(total=3, completed=2, failed=1)
    assert sum((await results.tally(engine, job_id)).values()) == 3
    assert (await batches())[job_id] == 1
    assert await transitions(engine, job_id) == list(range(1, job.version + 1))


@pytest.mark.parametrize("point", ["begun Cancel", "done Cancel", "begun Fetch"])
async def test_a_monitor_killed_at_any_point_of_a_cancel_leaves_the_job_cancelled_with_all_its_items(
    engine: AsyncEngine, monitor: Monitor, submit: Submit, ended: Ended, batches: Batches, point: str
) -> None:
    job_id = await submit(LONG)
    async with monitor(point) as first:
        await running(engine, job_id)
        await endings.cancel(engine, job_id, results_keep=3600)
        assert await first.ended(within=20) == -signal.SIGKILL

    async with monitor():
        job = await ended(job_id)

    assert (job.status, job.progress) == (Status.CANCELLED, Progress(total=3, completed=1, cancelled=2))
    assert (await batches())[job_id] == 1
    assert await transitions(engine, job_id) == list(range(1, job.version + 1))


@pytest.mark.parametrize("point", ["begun Cancel", "begun Fetch"])
async def test_a_monitor_killed_at_any_point_after_a_job_s_deadline_leaves_it_expired_with_what_was_done(
    engine: AsyncEngine, monitor: Monitor, submit: Submit, ended: Ended, batches: Batches, point: str
) -> None:
    job_id = await submit(LONG, expires_in=3600)
    async with monitor(point) as first:
        await running(engine, job_id)
        async with transaction(engine) as connection:
            await connection.execute(text("UPDATE jobs SET deadline_at = clock_timestamp()"))
        assert await first.ended(within=20) == -signal.SIGKILL

    async with monitor():
        job = await ended(job_id)

    assert (job.status, job.progress) == (Status.EXPIRED, Progress(total=3, completed=1, expired=2))
    assert (await batches())[job_id] == 1
    assert await transitions(engine, job_id) == list(range(1, job.version + 1))


@pytest.mark.parametrize("point", ["submission saved", "before create", "created", "before settle"])
async def test_a_monitor_paused_for_longer_than_its_lease_does_no_harm_when_it_wakes(
    engine: AsyncEngine, monitor: Monitor, submit: Submit, ended: Ended, batches: Batches, point: str
) -> None:
    job_id = await submit()
    async with monitor(point, 1, "STOP") as first:
        await paused(first)
        async with monitor():
            job = await ended(job_id)
        first.send_signal(signal.SIGCONT)
        other = await ended(await submit())

    assert {job.status, other.status} == {Status.SUCCEEDED}
    assert (await jobs.read(engine, [job_id]))[job_id] == job
    assert (await batches())[job_id] == 1
    assert await transitions(engine, job_id) == list(range(1, job.version + 1))


async def test_a_monitor_that_is_asked_to_end_does_so_in_good_time_and_order(
    engine: AsyncEngine, monitor: Monitor, submit: Submit, ended: Ended
) -> None:
    job_id = await submit()
    async with monitor() as process:
        await ended(job_id)
        began = asyncio.get_running_loop().time()
        process.send_signal(signal.SIGTERM)
        assert await process.ended(within=15) == 0

    assert asyncio.get_running_loop().time() - began < 10  # as long as a container is given to end
    async with transaction(engine) as connection:
        held: Any = await connection.scalar(text("SELECT count(*) FROM jobs WHERE lease_owner IS NOT NULL"))
    assert held == 0
