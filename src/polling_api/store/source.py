"""The primary as `watch` asks for it: the reads of jobs, bound to one engine."""

from collections.abc import Collection, Mapping

from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job
from polling_api.store import jobs
from polling_api.store.jobs import Differences


class PrimarySource:
    """Reads of jobs from one engine. Each raises `Unavailable` where the database does not answer in time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(self, ids: Collection[str]) -> Mapping[str, Job]:
        """See `jobs.read`."""
        return await jobs.read(self._engine, ids)

    async def differing(self, known: Mapping[str, int]) -> Differences:
        """See `jobs.differing`."""
        return await jobs.differing(self._engine, known)

    async def statuses_after(self, after: Mapping[str, int]) -> Mapping[str, list[Job]]:
        """See `jobs.statuses_after`."""
        return await jobs.statuses_after(self._engine, after)
