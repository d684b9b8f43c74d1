"""Whatever is committed, lost, late, doubled or broken off, in whatever order: no status is missed or told twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.carriers import LocalCarrier
from in_process.deadlines import eventually
from in_process.moving import Mover, OpenWrite
from in_process.sites import Site, running_site
from polling_api.domain.job import Job, Status

if TYPE_CHECKING:
    from in_process.visiting import Visit
    from running.events import Event

COURSE = [Status.QUEUED, Status.SUBMITTING, Status.IN_PROGRESS, Status.FINALIZING, Status.SUCCEEDED]
JOBS = 3  # at the begin; further ones are submitted

_job = st.integers(0, JOBS)
STEP = st.one_of(
    st.tuples(st.sampled_from(["commit", "commit and tell", "write", "progress"]), _job),
    st.tuples(st.just("tell"), st.integers(0, 20)),
    st.tuples(st.just("reconnect"), st.integers(0, 3)),
    st.tuples(st.sampled_from(["submit", "commit what is open", "roll back", "compare", "let others run"]), st.just(0)),
)


class Course:
    """What happens to one client's jobs, and what its one reader, which comes back again and again, was told."""

    def __init__(self, sites: list[Site], mover: Mover, client: str) -> None:
        self._sites = sites
        self._mover = mover
        self._client = client
        self._visiting = AsyncExitStack()
        self._visit: Visit | None = None
        self._open: dict[str, OpenWrite] = {}
        self._present: dict[str, Job] = {}
        self.committed: list[Job] = []
        self.told: list[Event] = []

    async def begin(self) -> None:
        """Store the first jobs, and visit."""
        for _ in range(JOBS):
            await self.submit()
        await self._connect()

    async def take(self, step: str, number: int) -> None:
        """One step of the course; what cannot be done now is passed over."""
        jobs = [job for job in self._present.values() if job.id not in self._open and not job.terminal]
        job = jobs[number % len(jobs)] if jobs else None
        if step == "submit":
            await self.submit()
        elif step.startswith("commit") and step != "commit what is open" and job:
            self._note(*await self._mover.commit([job], following(job)))
            if step == "commit and tell":
                await self.site.publish(self.committed[-1:])
        elif step == "write" and job and len(self._open) < JOBS:
            self._open[job.id] = await self._mover.write(job, following(job))
        elif step == "progress" and job and job.status is Status.IN_PROGRESS and job.progress.completed < JOBS:
            self._note(*await self._mover.commit([job], job.status, completed=job.progress.completed + 1))
        elif step == "tell":
            await self.site.publish([self.committed[number % len(self.committed)]])
        else:
            await self._take_other(step, number)

    async def end(self) -> None:
        """Commit what is open, and return when the reader has been told everything."""
        while self._open:
            await self._commit_open()
        self.site.node.feeds.gap()
        newest = {job.id: job.version for job in self.committed}
        await eventually(lambda: self._newest() >= newest.items(), within=10)
        await self._disconnect(0)

    async def leave(self) -> None:
        """Free everything."""
        for write in self._open.values():
            await write.roll_back()
        await self._visiting.aclose()

    @property
    def site(self) -> Site:
        """The node that the reader is at."""
        return self._sites[0]

    async def submit(self) -> None:
        """A further job."""
        self._note(await self._mover.stored(client_id=self._client))

    async def _take_other(self, step: str, number: int) -> None:
        if step == "commit what is open" and self._open:
            await self._commit_open()
        elif step == "roll back" and self._open:
            _, write = self._open.popitem()
            await write.roll_back()
        elif step == "compare":
            self.site.node.feeds.gap()
        elif step == "let others run":
            await asyncio.sleep(0.01)
        elif step == "reconnect":
            await self._disconnect(number)
            self._sites.reverse()
            await self._connect()

    async def _commit_open(self) -> None:
        write = self._open.pop(next(iter(self._open)))
        await write.commit()
        self._note(write.job)

    def _note(self, *jobs: Job) -> None:
        for job in jobs:
            self.committed.append(job)
            self._present[job.id] = job

    async def _connect(self) -> None:
        seen = self.told[-1].id if self.told else None
        self._visit = await self._visiting.enter_async_context(self.site.visit(self._client, last_event_id=seen))
        if not self.told:  # the first visit is over when the first jobs were told; before, all is allowed
            await eventually(lambda: self._visit is not None and len(self._visit.events) >= JOBS)

    async def _disconnect(self, lost: int) -> None:
        """Break off; of what this node has sent, the last events are lost on the way."""
        events = list(self._visit.events) if self._visit else []
        self.told += events[: max(len(events) - lost, 0 if self.told else JOBS)]
        await self._visiting.aclose()
        self._visiting, self._visit = AsyncExitStack(), None

    def _newest(self) -> set[tuple[str, int]]:
        events = [*self.told, *(self._visit.events if self._visit else ())]
        return {(event.job["id"], event.job["version"]) for event in events}


def following(job: Job) -> Status:
    """The status after a job's own."""
    return COURSE[COURSE.index(job.status) + 1]


@pytest.fixture
async def sites(engine: AsyncEngine) -> AsyncIterator[list[Site]]:
    """Two nodes between which notices travel, without comparisons but those of the course."""
    carrier = LocalCarrier()
    async with running_site(engine, carrier.transport()) as here, running_site(engine, carrier.transport()) as there:
        yield [here, there]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=30))
async def test_each_jobs_statuses_arrive_in_order_none_missed_and_none_twice(
    sites: list[Site], mover: Mover, steps: list[tuple[str, int]]
) -> None:
    course = Course(sites, mover, f"client_{uuid4().hex}")
    try:
        await course.begin()
        for step in steps:
            await course.take(*step)
        await course.end()
    finally:
        await course.leave()

    for job_id in {job.id for job in course.committed}:
        told = [event.job["version"] for event in course.told if event.job["id"] == job_id]
        statuses = [job.version for job in course.committed if job.id == job_id and job.version == job.status_version]
        assert told == sorted(set(told))
        assert [version for version in told if version in statuses] == [one for one in statuses if one >= told[0]]
        assert told[0] == 1
