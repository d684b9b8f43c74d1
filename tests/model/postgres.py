"""Postgres as the service knows it: what is committed, in order, and what of that a replica has."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Final

from model.loop import ModelLoop
from model.replay import Transactions
from model.wire import Wire
from polling_api.domain.advance import CancelRequested, Transition, advance
from polling_api.domain.job import Job, Progress, Status
from polling_api.errors import Unavailable
from polling_api.store.beats import Beat
from polling_api.store.changes import Change
from polling_api.store.jobs import Differences

CREATED: Final = datetime(2026, 11, 23, 9, tzinfo=UTC)
ITEMS: Final = 4


Version = tuple[str, int, datetime]
"""What tells a version from all others: a failover may have its number given anew."""


def _version(job: Job) -> Version:
    return job.id, job.version, job.updated_at


def new_job(job_id: str, client_id: str | None = None) -> Job:
    """A job as it is submitted."""
    return Job(
        client_id=client_id,
        id=job_id,
        version=1,
        status=Status.QUEUED,
        status_version=1,
        progress=Progress(ITEMS),
        endpoint="/v1/chat/completions",
        provider="simulator",
        created_at=CREATED,
        updated_at=CREATED,
    )


def following(job: Job, transition: Transition, era: int = 0) -> Job:
    """The version that a transition makes of a job; after another failover it is another one."""
    version = job.version + 1
    return replace(
        job,
        version=version,
        status=transition.status,
        status_version=job.status_version if transition.status is job.status else version,
        progress=transition.progress,
        updated_at=job.updated_at + timedelta(seconds=1 + era),
    )


class Postgres:
    """The truth: every version of every job, with the moment at which it was committed.

    Attributes:
        away: whether nobody reaches it.
        log: versions and beats, in the order in which they were committed.
        transactions: which wrote the versions.
    """

    def __init__(self, loop: ModelLoop) -> None:
        self.away = False
        self._loop = loop
        self._versions: dict[str, list[Job]] = {}
        self._committed_at: dict[Version, float] = {}
        self._lost_at: dict[Version, float] = {}
        self._missing_since: dict[str, float] = {}
        self._owners: dict[str, str] = {}
        self.transactions = Transactions()
        self._era = 0
        self._beats = 0
        self.log: list[Job | str] = []

    def __str__(self) -> str:
        return "postgres"

    def error(self, reason: str) -> Exception:
        """See `Server`."""
        return Unavailable(reason)

    def create(self, job_id: str, client_id: str | None = None, xid: int | None = None) -> Job:
        """Store a job, by a transaction that has begun, or by one of its own."""
        job = new_job(job_id, client_id)
        self._commit(job, xid)
        return job

    def job(self, job_id: str) -> Job | None:
        """A job's newest version."""
        versions = self._versions.get(job_id)
        return versions[-1] if versions else None

    @property
    def finished(self) -> bool:
        """Whether no job will change any more."""
        return all(versions[-1].terminal for versions in self._versions.values())

    def versions(self, job_id: str) -> Sequence[Job]:
        """All versions of a job, in order."""
        return self._versions.get(job_id, ())

    def ever_committed(self, job: Job) -> bool:
        """Whether a version was there, be it that it is lost by now."""
        return _version(job) in self._committed_at

    def was_lost(self, job_id: str, number: int) -> bool:
        """Whether a failover has lost a version of that number, or a lower one."""
        return any(lost_id == job_id and lost <= number for lost_id, lost, _ in self._lost_at)

    def missing_since(self, job_id: str) -> float:
        """The moment since which a job is not there any more; that of the beginning of time if it is."""
        return self._missing_since.get(job_id, -inf)

    def gone_at(self, job: Job) -> float:
        """The moment since which a version is not there any more; that of the end of time if it is."""
        return min(self._missing_since.get(job.id, inf), self._lost_at.get(_version(job), inf))

    def followed_at(self, job: Job) -> float:
        """The moment since which a version is not the newest any more; that of the end of time if it is."""
        return self.committed_after(job.id, job.version)

    def committed_after(self, job_id: str, number: int) -> float:
        """The moment since which there is a version of a higher number; that of the end of time if there is none."""
        later = (one for one in self.versions(job_id) if one.version > number)
        return min((self._committed_at[_version(one)] for one in later), default=inf)

    def claim(self, owner: str) -> list[tuple[Job, bool]]:
        """Lease all unfinished jobs: each with whether another held it who did not give it back."""
        claimed: list[tuple[Job, bool]] = []
        for job_id, versions in self._versions.items():
            if not versions[-1].terminal:
                claimed.append((versions[-1], self._owners.get(job_id, owner) != owner))
                self._owners[job_id] = owner
        return claimed

    def save(self, owner: str, changes: Sequence[Change]) -> list[Job]:
        """Commit new versions of the jobs that `owner` holds, and that are as they were."""
        saved: list[Job] = []
        for change in changes:
            job = self.job(change.job_id)
            if job is None or job.version != change.from_version or self._owners.get(job.id) != owner or job.terminal:
                continue
            saved.append(following(job, change.transition, self._era))
            self._commit(saved[-1])
        return saved

    def cancel(self, job_id: str) -> Job | None:
        """See `store.endings.cancel`."""
        job = self.job(job_id)
        transition = job and advance(job, CancelRequested(), now=job.updated_at)
        if job is None or transition is None:
            return job
        cancelled = following(job, transition, self._era)
        self._commit(cancelled)
        return cancelled

    def delete(self, job_id: str) -> None:
        """Delete a job with its past."""
        if self._versions.pop(job_id, None) is not None:
            self._missing_since[job_id] = self._loop.now

    def fail_over(self) -> int:
        """Promote a replica that lacks the newest version of each job; one that has no other, it does not know.

        It lacks all beats since the first of these too, and has a log of its own from then on.

        Returns:
            How many entries of the old log it has: whoever has no more can follow it.
        """
        self._era += 1
        lost = [versions.pop() for versions in self._versions.values()]
        for job in lost:
            self._lost_at[_version(job)] = self._loop.now
            if not self._versions[job.id]:
                self.delete(job.id)
        common = min((self.log.index(job) for job in lost), default=len(self.log))
        kept = [entry for entry in self.log[common:] if isinstance(entry, Job) and entry not in lost]
        self.log = [*self.log[:common], *kept]
        return common

    def beat(self) -> Beat:
        """See `store.beats`."""
        self._beats += 1
        name = f"beat {self._beats}"
        self.log.append(name)
        return Beat(name, 0.0)

    def read(self, ids: Collection[str]) -> Mapping[str, Job]:
        """See `store.jobs.read`."""
        return {job_id: job for job_id in ids if (job := self.job(job_id)) is not None}

    def differing(self, known: Collection[Job]) -> Differences:
        """See `store.jobs.differing`."""
        present = [(one, self.job(one.id)) for one in known]
        return Differences(
            changed=[
                job
                for one, job in present
                if job is not None and (job.version, job.updated_at) != (one.version, one.updated_at)
            ],
            missing=[one.id for one, job in present if job is None],
        )

    def statuses_after(self, after: Mapping[str, int]) -> Mapping[str, list[Job]]:
        """See `store.jobs.statuses_after`."""
        return {
            job_id: [job for job in self.versions(job_id) if job.version > seen and job.version == job.status_version]
            for job_id, seen in after.items()
            if job_id in self._versions
        }

    def _commit(self, job: Job, xid: int | None = None) -> None:
        self.transactions.commit(job, self.transactions.begin() if xid is None else xid)
        self._versions.setdefault(job.id, []).append(job)
        self._committed_at[_version(job)] = self._loop.now
        self.log.append(job)


class PostgresSource:
    """The primary as the watch asks for it: each read sees one moment, and is heard of at a later one."""

    def __init__(self, wire: Wire, postgres: Postgres) -> None:
        self._wire = wire
        self._postgres = postgres

    async def read(self, ids: Collection[str]) -> Mapping[str, Job]:
        """See `watch.Source`."""
        asked = tuple(ids)
        return await self._wire.call(self._postgres, "read", lambda: self._postgres.read(asked))

    async def differing(self, known: Collection[Job]) -> Differences:
        """See `watch.Source`."""
        return await self._wire.call(self._postgres, "comparison", lambda: self._postgres.differing(known))

    async def statuses_after(self, after: Mapping[str, int]) -> Mapping[str, Sequence[Job]]:
        """See `watch.Source`."""
        return await self._wire.call(self._postgres, "read of the past", lambda: self._postgres.statuses_after(after))
