"""The primary as `watch` asks for it: its reads, bound to one engine."""

from collections.abc import Collection, Mapping

from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job
from polling_api.domain.places import Horizon, Moves, Place, Visited, Visits
from polling_api.store import jobs, replay, walk
from polling_api.store.jobs import Differences
from polling_api.store.walk import Page, Stop


class PrimarySource:
    """Reads of jobs from one engine. Each raises `Unavailable` where the database does not answer in time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(self, ids: Collection[str]) -> Mapping[str, Job]:
        """See `jobs.read`."""
        return await jobs.read(self._engine, ids)

    async def differing(self, known: Collection[Job]) -> Differences:
        """See `jobs.differing`."""
        return await jobs.differing(self._engine, known)

    async def statuses_after(self, after: Mapping[str, int]) -> Mapping[str, list[Job]]:
        """See `jobs.statuses_after`."""
        return await jobs.statuses_after(self._engine, after)

    async def moves(self, places: Mapping[str, Place | None], *, limit: int) -> Mapping[str, Moves]:
        """See `replay.moves`."""
        return await replay.moves(self._engine, places, limit=limit)

    async def visits(self, client_id: str, since: Horizon, *, after: Visited | None, limit: int) -> Visits:
        """See `replay.visits`."""
        return await replay.visits(self._engine, client_id, since, after=after, limit=limit)

    async def unfinished(self, *, after: Stop | None, limit: int) -> Page:
        """See `walk.unfinished`."""
        return await walk.unfinished(self._engine, after=after, limit=limit)
