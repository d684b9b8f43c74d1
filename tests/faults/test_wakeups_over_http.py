"""No wake-up is lost, end to end: real clients, real workers, and a publisher or a Redis that dies."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

import in_process
from in_process import dying_publisher
from in_process.carriers import RedisCarrier
from in_process.crowd import Answered, Connection, answers, ask_all, until_held
from in_process.moving import Mover
from running.asking import asking
from running.jobs import submit
from running.service import Service, running_service

PROMISED = 5.0  # seconds from the commit to every waiter and every stream
JOBS = 100

TESTS = Path(in_process.__file__).parent.parent


@pytest.fixture
async def unwatched(postgres_url: str, redis: RedisCarrier, tmp_path: Path) -> AsyncIterator[Service]:
    """Two workers, and nobody who looks after jobs."""
    async with running_service(
        postgres_url, redis.server.url, folder=tmp_path, workers=2, monitor=False, settings={"log_level": "info"}
    ) as service:
        yield service


@pytest.fixture
async def complete(postgres_url: str, redis: RedisCarrier, tmp_path: Path) -> AsyncIterator[Service]:
    """Two workers and a monitor."""
    async with running_service(
        postgres_url, redis.server.url, folder=tmp_path, workers=2, settings={"log_level": "info"}
    ) as service:
        yield service


async def hold(service: Service, ids: Sequence[str]) -> list[Connection]:
    """For each job a waiter and a stream, each at every worker."""
    paths = [
        path
        for job_id in ids
        for path in (f"/api/v1/jobs/{job_id}?wait=30&until=terminal", f"/api/v1/jobs/{job_id}/events")
    ]
    connections = [await ask_all(url, paths) for url in service.worker_urls]
    for url in service.worker_urls:
        await until_held(url, "wait", len(ids))
        await until_held(url, "stream", len(ids))
    return [connection for some in connections for connection in some]


def late_or_lost(answered: Sequence[Answered]) -> list[Answered]:
    return [
        answer
        for answer in answered
        if answer.status != 200 or answer.statuses[-1] != "succeeded" or answer.delay > PROMISED
    ]


async def test_a_publisher_killed_between_commit_and_publish_keeps_the_end_from_nobody(
    unwatched: Service, engine: AsyncEngine, postgres_url: str
) -> None:
    jobs = await Mover(engine).store(JOBS)
    connections = await hold(unwatched, [job.id for job in jobs])

    publisher = await asyncio.create_subprocess_exec(
        sys.executable, dying_publisher.__file__, postgres_url, env={**os.environ, "PYTHONPATH": str(TESTS)}
    )
    died_of = -await publisher.wait()
    answered = await answers(connections)

    assert died_of == signal.SIGKILL
    assert late_or_lost(answered) == []


async def test_redis_killed_and_restarted_in_the_middle_keeps_the_end_from_nobody(
    complete: Service, redis: RedisCarrier
) -> None:
    one_by_one = [f"in_progress {3 + number * 0.04:.2f}s @50%, succeeded" for number in range(JOBS)]
    async with asking(complete.url) as client:
        jobs = await asyncio.gather(*(submit(client, script, items=1) for script in one_by_one))
    connections = await hold(complete, [job["id"] for job in jobs])
    answering = [asyncio.create_task(connection.answered()) for connection in connections]

    await answering[0]
    await redis.go_down()
    await answering[JOBS]  # half of the first worker's
    await redis.come_back()

    assert late_or_lost(await asyncio.gather(*answering)) == []
