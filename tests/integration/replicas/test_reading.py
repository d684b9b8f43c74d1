"""A cold read goes to a replica, and to the primary where the replica knows less, nothing, or something too old."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.clocks import Clock
from in_process.losing import lose
from in_process.moving import Mover
from in_process.replicating import Watching, watching
from in_process.sources import statements_of
from polling_api import metrics
from polling_api.cache import Gone, Sighting
from polling_api.domain.job import Job, Status, new_job_id
from polling_api.errors import Unavailable
from polling_api.hub import Hub, LocalBus, LocalTransport
from polling_api.representation import Snapshot
from polling_api.store.source import PrimarySource
from polling_api.watch import Bounds, NoCache, Remark, StatusWatch
from running.replication import Replicated, caught_up, paused, unacknowledged, until_true

BOUNDS = Bounds(compare_every=600, compare_when_deaf=600)  # which answers with nothing older than 4 s


class Told(NoCache):
    """A status cache that knows one thing."""

    def __init__(self, told: Sighting | Gone) -> None:
        self._told = told

    async def get(self, job_id: str) -> Sighting | Gone | None:
        del job_id
        return self._told


class Reading:
    """One process: a watch over a primary and its first replica."""

    def __init__(self, servers: Replicated, watched: Watching, clock: Clock) -> None:
        self._servers = servers
        self._watched = watched
        self.clock = clock

    def watch(self, primary: AsyncEngine, cache: NoCache | None = None) -> StatusWatch:
        """A process that has just begun."""
        hub = Hub(LocalTransport(LocalBus()))
        replicas = self._watched.reads
        return StatusWatch(PrimarySource(primary), hub, BOUNDS, cache=cache, replicas=replicas, clock=self.clock)

    async def catch_up(self) -> None:
        """Have the replica hold all that there is, and be known for it."""
        await self._watched.pulse.take()
        await caught_up(self._servers.primary, self._servers.replica)
        await self._watched.replica.look()


@pytest.fixture
async def reading(servers: Replicated) -> AsyncIterator[Reading]:
    clock = Clock()
    async with watching(servers.primary, servers.replicas[:1], clock=clock) as watched:
        yield Reading(servers, watched, clock)


def version_of(snapshot: Snapshot | None) -> int:
    assert snapshot is not None
    return snapshot.job.version


def nobody(_job: Job) -> bool:
    """What whoever asks may know of jobs that are another's."""
    return False


def rows_asked() -> int:
    """How many ids were looked up in replicas, in this process."""
    return int(metrics.REPLICA_READS.labels("replica")._value.get())  # type: ignore[attr-defined]


def outcomes(outcome: str) -> float:
    """How often that came of asking a replica, in this process."""
    return metrics.replica_lookups(outcome)._value.get()  # type: ignore[attr-defined]


@asynccontextmanager
async def behind(reading: Reading, servers: Replicated, mover: Mover, job: Job) -> AsyncGenerator[Job]:
    """For the time of a block the replica knows a job's first version, and the primary the second."""
    await reading.catch_up()
    async with paused(servers.replica):
        [second] = await mover.commit([job], Status.IN_PROGRESS)
        yield second


async def test_a_cold_read_asks_a_replica_and_not_the_primary(
    reading: Reading, mover: Mover, primary: AsyncEngine
) -> None:
    jobs = await mover.store(20)
    await reading.catch_up()
    watch = reading.watch(primary)

    with statements_of(primary) as statements:
        found = [await watch.get(job.id) for job in jobs]

    assert statements == []
    assert [snapshot and snapshot.job for snapshot in found] == jobs
    assert all(watch.live(job.id) for job in jobs)


async def test_what_no_replica_has_is_asked_of_the_primary(
    reading: Reading, servers: Replicated, mover: Mover, primary: AsyncEngine
) -> None:
    await reading.catch_up()
    watch = reading.watch(primary)
    async with paused(servers.replica):
        job = await mover.stored()

        assert version_of(await watch.get(job.id)) == 1
        assert await watch.get(new_job_id()) is None


async def test_a_snapshot_is_as_old_as_the_replica_proves(reading: Reading, mover: Mover, primary: AsyncEngine) -> None:
    job = await mover.stored()
    beat_at = reading.clock.now
    await reading.catch_up()
    reading.clock.now += 3
    watch = reading.watch(primary)

    await watch.get(job.id)
    topic = watch.live(job.id)
    reading.clock.now += 1.5

    assert topic is not None
    assert beat_at - 0.5 < topic.confirmed_at <= beat_at
    assert watch.live(job.id) is None


async def test_what_a_replica_had_too_long_ago_is_asked_of_the_primary(
    reading: Reading, servers: Replicated, mover: Mover, primary: AsyncEngine
) -> None:
    job, before = await mover.stored(), outcomes("old")
    async with behind(reading, servers, mover, job):
        reading.clock.now += 4.5

        assert version_of(await reading.watch(primary).get(job.id)) == 2

    assert outcomes("old") == before + 1


async def test_less_than_is_known_here_is_no_answer(
    reading: Reading, servers: Replicated, mover: Mover, primary: AsyncEngine
) -> None:
    job, before = await mover.stored(), outcomes("older")
    watch = reading.watch(primary)
    async with behind(reading, servers, mover, job) as second:
        assert version_of(await watch.get(job.id)) == 1
        watch.committed(second)

        assert version_of(await watch.get(job.id, nobody)) == 2

    assert outcomes("older") == before + 1


async def test_less_than_the_status_cache_knows_is_no_answer(
    reading: Reading, servers: Replicated, mover: Mover, primary: AsyncEngine
) -> None:
    job = await mover.stored()
    async with behind(reading, servers, mover, job) as second:
        old = Told(Sighting(second, reading.clock.now - 5))

        assert version_of(await reading.watch(primary, old).get(job.id)) == 2


async def test_what_the_status_cache_knows_to_be_gone_is_asked_of_the_primary(
    reading: Reading, servers: Replicated, mover: Mover, primary: AsyncEngine
) -> None:
    job = await mover.stored()
    await reading.catch_up()
    async with paused(servers.replica):
        await lose(primary, job)

        assert version_of(await reading.watch(primary).get(job.id)) == 1
        assert await reading.watch(primary, Told(Gone(job.id))).get(job.id) is None


async def test_what_the_primary_does_not_show_yet_is_told_by_no_replica(
    reading: Reading, servers: Replicated, mover: Mover, primary: AsyncEngine
) -> None:
    """A replica shows a commit as soon as it has it; the primary waits for as many replicas as it is told to."""
    job = await mover.stored()
    await reading.catch_up()
    async with unacknowledged(servers.primary):
        committing = asyncio.create_task(mover.commit([job], Status.IN_PROGRESS))
        await until_true(servers.replica, f"SELECT version = 2 FROM jobs WHERE id = '{job.id}'")  # noqa: S608 - an id

        assert version_of(await reading.watch(primary).get(job.id)) == 1
    await committing
    await reading.catch_up()

    with statements_of(primary) as statements:
        assert version_of(await reading.watch(primary).get(job.id)) == 2
    assert statements == []


async def test_whoever_has_seen_more_than_a_replica_knows_makes_the_primary_be_asked_once(
    reading: Reading, servers: Replicated, mover: Mover, primary: AsyncEngine
) -> None:
    job = await mover.stored()
    async with behind(reading, servers, mover, job):
        watch = reading.watch(primary)
        with statements_of(primary) as statements:
            found = await asyncio.gather(*(watch.at_least(job.id, 2) for _ in range(50)))

    assert {version_of(snapshot) for snapshot in found} == {2}
    assert len(statements) == 1


async def test_a_job_of_somebody_else_takes_the_missing_ones_road(
    reading: Reading, mover: Mover, primary: AsyncEngine
) -> None:
    job = await mover.stored(client_id="client_1")
    await reading.catch_up()
    counts = list[int]()
    for job_id in (job.id, new_job_id()):
        before = rows_asked()
        with statements_of(primary) as statements:
            await reading.watch(primary).get(job_id, nobody)
        counts += [len(statements), rows_asked() - before]

    assert counts == [1, 1, 1, 1]


async def test_while_the_primary_is_away_a_replica_tells_what_is_marked_with_its_age(
    reading: Reading, mover: Mover, nowhere: AsyncEngine
) -> None:
    job = await mover.stored()
    await reading.catch_up()
    watch = reading.watch(nowhere)
    reading.clock.now += 60  # in which the primary made no beat: none is lacking

    with pytest.raises(Unavailable):
        await watch.get(job.id)
    topic = watch.live(job.id)

    assert topic is not None
    assert version_of(topic.snapshot) == 1
    assert watch.remark(job) == Remark(age=60)


async def test_while_the_primary_is_away_what_is_young_enough_is_told_as_ever(
    reading: Reading, mover: Mover, nowhere: AsyncEngine
) -> None:
    job = await mover.stored()
    await reading.catch_up()
    watch = reading.watch(nowhere)

    assert version_of(await watch.get(job.id)) == 1
    with pytest.raises(Unavailable):
        await watch.at_least(job.id, 2)
