"""Where the truth is, as the watch asks for it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from polling_api.cache import Gone, Sighting
from polling_api.domain.job import Job
from polling_api.domain.pace import Strain


class Differences(Protocol):
    """What the primary knows that a process does not."""

    @property
    def changed(self) -> Sequence[Job]:
        """Jobs whose version differs from the known one, or is another under the same number."""
        ...

    @property
    def missing(self) -> Sequence[str]:
        """Ids the primary does not know."""
        ...

    @property
    def strained(self) -> Mapping[str, Strain]:
        """Jobs whose provider did not answer when it was last asked."""
        ...


class Source(Protocol):
    """The primary. Every call has a deadline and raises `polling_api.errors.Unavailable`."""

    async def read(self, ids: Collection[str]) -> Mapping[str, Job]:
        """The present version of each job that exists."""
        ...

    async def differing(self, known: Collection[Job]) -> Differences:
        """Compare known versions with the present ones."""
        ...

    async def statuses_after(self, after: Mapping[str, int]) -> Mapping[str, Sequence[Job]]:
        """For each job the versions above the given one in which its status changed, in order."""
        ...


class Copy(Protocol):
    """Something that may know of jobs what the primary does; not the truth, and needed by nobody."""

    async def get(self, job_id: str) -> Sighting | Gone | None:
        """What is known of a job, within a bounded time; None where that is nothing. Never raises."""
        ...


class Cache(Copy, Protocol):
    """Versions that all processes share."""

    def offer(self, jobs: Collection[Job], seen_at: float, *, whole: bool = False) -> None:
        """Tell what the primary said when it was asked at `seen_at`; never waits, never raises."""
        ...

    def retract(self, ids: Collection[str], seen_at: float) -> None:
        """Have nothing answered with that is kept of some jobs, of which the primary knew less when asked at `seen_at`.

        Never waits, never raises.
        """
        ...


class NoCache:
    """Knows nothing, and keeps nothing: every cold read is one of the primary."""

    async def get(self, job_id: str) -> Sighting | None:
        """Nothing."""
        del job_id

    def offer(self, jobs: Collection[Job], seen_at: float, *, whole: bool = False) -> None:
        """Forget it."""

    def retract(self, ids: Collection[str], seen_at: float) -> None:
        """Nothing is kept."""
