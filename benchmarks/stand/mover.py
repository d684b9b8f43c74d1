"""Jobs that a program moves itself, as a monitor does: their next versions committed, then published."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.advance import Transition
from polling_api.domain.job import Job, Progress, Status, new_job_id
from polling_api.hub import Hub, RedisTransport
from polling_api.store import jobs, leases
from polling_api.store.changes import Change
from polling_api.store.engine import connect
from polling_api.store.jobs import NewJob, NewRequest
from stand.service import Stand

HELD = 3600.0  # seconds: nobody else moves what a program holds
WRITERS = 8  # at once
TOTAL = 4  # items of each job
# Each change is one of status: those may not be skipped, so that what is missing can be told from what may be.
_REQUESTS = [NewRequest(f"item-{number}", "{}") for number in range(TOTAL)]
NEXT = {Status.IN_PROGRESS: Status.FINALIZING, Status.FINALIZING: Status.IN_PROGRESS}


class Moved(NamedTuple):
    """New versions, and when they were committed, by `time.perf_counter`."""

    jobs: list[Job]
    at: float


class Mover:
    """Stores jobs, and moves them.

    Args:
        engine: the primary's.
        hub: tells everybody.
    """

    def __init__(self, engine: AsyncEngine, hub: Hub) -> None:
        self._engine = engine
        self._hub = hub
        self._owner = uuid4().hex
        self._writing = asyncio.Semaphore(WRITERS)

    async def store(self, count: int, metadata: Mapping[str, str] | None = None) -> list[Job]:
        """Store so many public jobs, and hold them: then nobody else moves them. They are in progress."""
        await asyncio.gather(*(self._store(metadata or {}) for _ in range(count)))
        held: list[Job] = []
        while some := await leases.claim(self._engine, owner=self._owner, limit=1000, lease=HELD):
            held += [claimed.job for claimed in some]
        return (await self.move(held)).jobs

    async def move(self, present: Sequence[Job]) -> Moved:
        """Commit the next version of each, in one statement, and tell of it."""
        changes = [_change(job) for job in present]
        saved = await leases.save(self._engine, self._owner, changes, results_keep=HELD)
        at = time.perf_counter()
        await self._hub.publish(saved)
        by_id = {job.id: job for job in saved}
        return Moved([by_id[job.id] for job in present], at)

    async def _store(self, metadata: Mapping[str, str]) -> None:
        new = NewJob(
            id=new_job_id(),
            client_id=None,
            provider="simulator",
            endpoint="/v1/chat/completions",
            metadata=metadata,
            total=TOTAL,
            expires_in=86_400,
            poll_after=30,
        )
        async with self._writing:
            await jobs.create(self._engine, new, _REQUESTS)


@asynccontextmanager
async def moving(stand: Stand) -> AsyncGenerator[Mover]:
    """A mover of a service that has no monitor, for as long as the block runs."""
    engine = connect(
        stand.database_url,
        pool_size=WRITERS,
        max_overflow=0,
        pool_timeout=10,
        statement_timeout=20,
        application_name="benchmark",
    )
    hub = Hub(RedisTransport(stand.redis_url, timeout=1))
    running = asyncio.create_task(hub.run())
    try:
        yield Mover(engine, hub)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await hub.close()
        await engine.dispose()


def _change(job: Job) -> Change:
    status = NEXT.get(job.status, Status.IN_PROGRESS)
    progress = Progress(TOTAL, completed=min(job.version, TOTAL))
    transition = Transition(status, progress, job.error, job.expires_at)
    return Change(job_id=job.id, from_version=job.version, transition=transition, poll_after=30, observed=True)
