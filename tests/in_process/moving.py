"""Jobs that a test moves itself: stored, committed and published at the moments it chooses."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from polling_api.domain.advance import Transition
from polling_api.domain.job import Job, Progress, Status, new_job_id
from polling_api.store import jobs, leases
from polling_api.store.changes import SAVE, Change, bind
from polling_api.store.jobs import NewJob, NewRequest
from polling_api.store.rows import job_from

HELD = 3600.0  # seconds: nobody else moves what a test holds
WRITERS = 8  # at once
TOTAL = 4  # items of each job: enough for progress to move

_REQUESTS = [NewRequest(f"item-{number}", "{}") for number in range(TOTAL)]


class OpenWrite:
    """The next version of a job in a transaction that is still open: nobody else can see it."""

    def __init__(self, connection: AsyncConnection, job: Job) -> None:
        self._connection = connection
        self.job = job

    async def commit(self) -> None:
        """Let everybody see it."""
        await self._connection.commit()
        await self._connection.close()

    async def roll_back(self) -> None:
        """Let it never have been."""
        await self._connection.rollback()
        await self._connection.close()


class Mover:
    """Stores jobs and writes their next versions, as a monitor does, but publishes nothing.

    Args:
        engine: the primary's.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._owner = uuid4().hex
        self._writing = asyncio.Semaphore(WRITERS)

    async def store(self, count: int = 1, *, client_id: str | None = None) -> list[Job]:
        """Store so many jobs, each in version 1, of a client or public."""
        return list(await asyncio.gather(*(self.store_as(new_job_id(), client_id=client_id) for _ in range(count))))

    async def store_as(self, job_id: str, *, client_id: str | None = None) -> Job:
        """Store a job under an id of the test's choice."""
        new = NewJob(
            id=job_id,
            client_id=client_id,
            provider="simulator",
            endpoint="/v1/chat/completions",
            metadata={},
            total=TOTAL,
            expires_in=None,
            poll_after=1,
        )
        async with self._writing:
            return (await jobs.create(self._engine, new, _REQUESTS)).job

    async def take(self) -> list[Job]:
        """Hold all jobs that are due, as `commit` needs it, and return them."""
        taken: list[Job] = []
        while some := await leases.claim(self._engine, owner=self._owner, limit=1_000, lease=HELD):
            taken += [claimed.job for claimed in some]
        return taken

    async def stored(self, *, client_id: str | None = None) -> Job:
        """Store one job, and hold it."""
        [job] = await self.store(client_id=client_id)
        await self.take()
        return job

    async def commit(self, present: Sequence[Job], status: Status, *, completed: int | None = None) -> list[Job]:
        """Commit the next version of each job, in which its status is `status`, and so many items done.

        Returns:
            The new versions, in the order of `present`.
        """
        changes = [_change(job, status, completed) for job in present]
        async with self._writing:
            saved = await leases.save(self._engine, self._owner, changes, results_keep=HELD)
        by_id = {job.id: job for job in saved}
        return [by_id[job.id] for job in present]

    async def write(self, job: Job, status: Status) -> OpenWrite:
        """Write the next version of a job as `commit` does, and leave the transaction open."""
        connection = await self._engine.connect()
        changes = {"owner": self._owner, "keep": HELD, **bind([_change(job, status, None)])}
        return OpenWrite(connection, job_from((await connection.execute(SAVE, changes)).one()))


def _change(job: Job, status: Status, completed: int | None) -> Change:
    progress = Progress(total=TOTAL, completed=TOTAL) if status.terminal else job.progress
    if completed is not None:
        progress = Progress(total=TOTAL, completed=completed)
    transition = Transition(status, progress, job.error, job.expires_at)
    return Change(job_id=job.id, from_version=job.version, transition=transition, poll_after=1, observed=True)
