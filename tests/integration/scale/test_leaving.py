"""Clients who come and go leave nothing behind: no task, future, subscription or descriptor."""

import asyncio
import gc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.carriers import RedisCarrier
from in_process.deadlines import eventually
from in_process.leavers import Asked, come_and_go
from in_process.moving import Mover
from in_process.worker import Worker, worker_here
from polling_api.domain.job import Job
from polling_api.watch import Topic

JOBS = 20
WARMED_UP, COMERS, AT_ONCE = 1_000, 20_000, 250
FORGOTTEN_WITHIN = 20.0  # seconds until a server has found out that a crowd is gone: a moment, on an idle machine
SLACK = 30  # tasks or descriptors that a process has for itself now and then: a pool's connection, a sweep
# Asyncio throws cancelled timers away by the hundred (`_MIN_SCHEDULED_TIMER_HANDLES`); until then each holds what was
# known in its request. What was left behind by all who came in one way would be thousands.
OBJECTS_SLACK = SLACK + 100
OURS = ("polling_api", "uvicorn", "asyncio", "_asyncio", "starlette")
# Of what was asked of whom: they last for their windows, in tables of a bounded size.
KEPT = {"polling_api.ratelimit.counter.Counter"}


class Left(NamedTuple):
    """What there is in the process: tasks, followers of jobs, what is held, descriptors, objects by their kind."""

    tasks: int
    followers: int
    held: int
    descriptors: int
    objects: Counter[str]


def left(worker: Worker) -> Left:
    gc.collect()
    objects: list[Any] = gc.get_objects()
    return Left(
        tasks=len(asyncio.all_tasks()),
        followers=sum(len(one.followers) for one in objects if isinstance(one, Topic)),
        held=len(worker.core.limiting.held),
        descriptors=psutil.Process().num_fds(),
        objects=Counter(
            f"{type(one).__module__}.{type(one).__qualname__}"
            for one in objects
            if type(one).__module__.partition(".")[0] in OURS
        ),
    )


async def forgotten(worker: Worker) -> None:
    """Wait until a crowd is gone: its requests end a moment after its connections."""

    def nobody_is_there() -> bool:
        return not worker.connections and not len(worker.core.limiting.held) and not left(worker).followers

    await eventually(nobody_is_there, FORGOTTEN_WITHIN)


def asked(jobs: Sequence[Job]) -> list[Asked]:
    """What is asked: in every way that holds something open, and in some that do not."""
    host, every = b"Host: 127.0.0.1\r\n", list[Asked]()
    for number, one in enumerate(jobs):
        other = jobs[number - 1]
        path = f"/api/v1/jobs/{one.id}".encode()
        ids = one.id.encode(), other.id.encode()
        body = b'{"jobs":[{"id":"%b"},{"id":"%b"}],"wait":30}' % ids
        many = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        every += [
            Asked(b"GET %b/events HTTP/1.1\r\n%b\r\n" % (path, host), told=True),
            Asked(b"GET /api/v1/jobs/events?ids=%b,%b HTTP/1.1\r\n%b\r\n" % (*ids, host), told=True),
            Asked(b"GET %b HTTP/1.1\r\n%bPrefer: wait=30\r\n\r\n" % (path, host), told=False),
            Asked(b"GET %b HTTP/1.1\r\n%b\r\n" % (path, host), told=True),
            Asked(b"GET %b HTTP/1.1\r\nHo" % path, told=False),
        ]
        if number % 4 == 0:  # it costs as much as all of these
            every.append(Asked(b"POST /api/v1/jobs/batch-get HTTP/1.1\r\n%b%b" % (host, many), told=False))
    return every


@pytest.fixture
async def jobs(engine: AsyncEngine) -> list[Job]:
    mover = Mover(engine)
    await mover.store(JOBS)
    return await mover.take()


@pytest.mark.timeout(400)  # half a minute, where nothing else runs
async def test_twenty_thousand_who_come_and_go_leave_nothing_behind(
    postgres_url: str, redis: RedisCarrier, jobs: list[Job], tmp_path: Path
) -> None:
    async with worker_here(postgres_url, redis.server.url, tmp_path) as worker:
        visits = asked(jobs)
        await come_and_go(worker.port, visits, WARMED_UP, AT_ONCE)
        await forgotten(worker)
        before = left(worker)

        await come_and_go(worker.port, visits, COMERS, AT_ONCE)
        await forgotten(worker)
        after = left(worker)

    more = {
        kind: count
        for kind, count in (after.objects - before.objects).items()
        if count > OBJECTS_SLACK and kind not in KEPT
    }
    assert (after.followers, after.held) == (0, 0)
    assert after.tasks <= before.tasks + SLACK
    assert after.descriptors <= before.descriptors + SLACK
    assert more == {}
