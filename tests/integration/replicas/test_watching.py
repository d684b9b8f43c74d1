"""A replica is looked at: one that lags, is away or is a primary by now is out, and comes back by itself."""

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from in_process.clocks import Clock
from in_process.deadlines import eventually
from in_process.moving import Mover
from in_process.replicating import MOST_LAG, Watching, pool, watching
from polling_api import metrics
from polling_api.domain.job import Job, Status
from polling_api.errors import Unavailable
from polling_api.replicas import Replica, Standing
from polling_api.store.availability import Away
from running.cluster import Cluster
from running.freezing import frozen
from running.replication import Replicated, ask, caught_up, cut_off, kill, paused, promote, replicated


@dataclass(frozen=True, slots=True)
class Another:
    """Another database on a server."""

    url: str
    where: Path


async def up_to_date(watched: Watching, servers: Replicated) -> None:
    """Have all replicas in rotation, with all that there is."""
    await watched.look()
    for server in servers.replicas:
        await caught_up(servers.primary, server)
    for replica in watched.replicas:
        await replica.look()
    assert [replica.standing for replica in watched.replicas] == [Standing.IN_ROTATION] * len(watched.replicas)


async def until_in_rotation(watched: Watching) -> None:
    """Look until a replica is in rotation that is only slow."""
    for _ in range(40):
        await watched.look()
        if watched.replica.standing is Standing.IN_ROTATION:
            return
    raise AssertionError(watched.replica.standing)


async def version_of(replica: Replica, job: Job) -> int:
    return (await replica.read([job.id]))[job.id].job.version


def rows_of(replica: Replica) -> float:
    """How many jobs this process has been told by it."""
    return metrics.REPLICA_ROWS.labels(replica.name)._value.get()  # type: ignore[attr-defined]


async def test_what_a_replica_tells_is_as_old_as_the_last_beat_that_it_has(servers: Replicated, mover: Mover) -> None:
    job = await mover.stored()
    async with watching(servers.primary, servers.replicas) as watched:
        before = time.monotonic() - 1  # the moment told errs to the safe side, by what a question takes
        await up_to_date(watched, servers)
        async with paused(servers.replica):
            at_pause = time.monotonic()
            await mover.commit([job], Status.IN_PROGRESS)
            await watched.look()
            told = (await watched.replica.read([job.id]))[job.id]
            other = (await watched.replicas[1].read([job.id]))[job.id]

    assert told.job.version == 1
    assert before <= told.at <= at_pause
    assert other.job.version in {1, 2}


async def test_one_that_replays_nothing_is_out_and_comes_back_by_itself(servers: Replicated) -> None:
    clock = Clock()
    async with watching(servers.primary, servers.replicas, clock=clock) as watched:
        await up_to_date(watched, servers)
        async with paused(servers.replica):
            clock.now += 0.5
            await watched.look()
            standing_at_first = watched.replica.standing
            clock.now += MOST_LAG
            await watched.replica.look()
            lagging = watched.replica.standing
            with pytest.raises(ConnectionError, match=r"lags behind by 1\.\d s"):
                await watched.replica.check()
        await up_to_date(watched, servers)

    assert (standing_at_first, lagging) == (Standing.IN_ROTATION, Standing.LAGGING)


async def test_one_that_is_frozen_keeps_nobody_waiting_beyond_the_deadline(servers: Replicated) -> None:
    async with watching(servers.primary, servers.replicas[:1], patience=0.5) as watched:
        await until_in_rotation(watched)
        with frozen(servers.replica):
            began = time.monotonic()
            with pytest.raises(Away):
                await watched.replica.read(["job_1"])
            took = time.monotonic() - began
            await watched.replica.look()
            standing = watched.replica.standing
        await until_in_rotation(watched)

    assert took < 5
    assert standing is Standing.AWAY


async def test_reads_go_to_all_by_turns(servers: Replicated, mover: Mover) -> None:
    jobs = await mover.store(10)
    async with watching(servers.primary, servers.replicas) as watched:
        await up_to_date(watched, servers)
        told = [rows_of(replica) for replica in watched.replicas]
        reads = watched.reads
        for job in jobs:
            assert await reads.get(job.id) is not None

    assert [rows_of(replica) - before for replica, before in zip(watched.replicas, told, strict=True)] == [5, 5]


async def test_one_that_is_dead_is_out_and_comes_back_when_it_is_started_again(
    cluster: Cluster, servers_folder: Path
) -> None:
    with replicated(cluster, servers_folder / "dying") as servers:
        async with watching(servers.primary, servers.replicas) as watched, pool(servers.primary.url) as primary:
            job = await Mover(primary).stored()
            await up_to_date(watched, servers)
            kill(servers.replica)
            with pytest.raises(Unavailable):
                await watched.replica.read([job.id])
            found_by_read = watched.replica.standing
            await watched.look()
            found_by_look = watched.replica.standing
            await eventually(lambda: not servers.replica.alive)
            servers.replica.restart()
            await up_to_date(watched, servers)
            assert await version_of(watched.replica, job) == 1

    assert (found_by_read, found_by_look) == (Standing.AWAY, Standing.AWAY)


async def test_one_that_was_promoted_is_not_believed(cluster: Cluster, servers_folder: Path) -> None:
    with replicated(cluster, servers_folder / "promoted") as servers:
        async with watching(servers.primary, servers.replicas) as watched, pool(servers.primary.url) as primary:
            job = await Mover(primary).stored()
            await up_to_date(watched, servers)
            await promote(servers.replica)
            with pytest.raises(Unavailable):
                await watched.replica.read([job.id])
            found_by_read = watched.replica.standing
            await watched.look()

            assert (found_by_read, watched.replica.standing) == (Standing.PROMOTED, Standing.PROMOTED)
            assert not watched.replica.in_rotation
            assert await watched.reads.get(job.id) is None


async def test_one_that_follows_nobody_any_more_is_out_though_it_is_ahead_of_the_new_primary(
    cluster: Cluster, servers_folder: Path
) -> None:
    """By its position in the log it looks up to date: it has replayed more than there is, of a log that was lost."""
    clock = Clock()
    with replicated(cluster, servers_folder / "ahead", replicas=2) as servers:
        behind, ahead = servers.replicas
        async with watching(servers.primary, [ahead], clock=clock) as watched, pool(servers.primary.url) as primary:
            job = await Mover(primary).stored()
            await up_to_date(watched, servers)
            await cut_off(behind)
            await Mover(primary).stored()
            await ask(servers.primary, "SELECT pg_switch_wal()")
            clock.now += 1
            await watched.look()
            await caught_up(servers.primary, ahead)
            kill(servers.primary)
        await promote(behind)
        failed_over_at = clock.now = clock.now + 1
        async with (
            watching(behind, [ahead], clock=clock, known=watched.beats) as watched,
            watching(behind, [ahead], clock=clock) as new,
        ):
            await watched.look()
            await new.look()
            told = (await watched.replica.read([job.id]))[job.id]
            clock.now += MOST_LAG + 0.1
            await watched.look()
            await new.look()
            position = await ask(ahead, "SELECT pg_last_wal_replay_lsn()::text")
            is_ahead = await ask(behind, f"SELECT '{position}'::pg_lsn > pg_current_wal_insert_lsn()")

    assert is_ahead
    assert told.at < failed_over_at
    assert (watched.replica.standing, new.replica.standing) == (Standing.LAGGING, Standing.FOREIGN)


async def test_another_database_is_unfit_and_says_why(servers: Replicated) -> None:
    await ask(servers.primary, "CREATE DATABASE another")
    for server in servers.replicas:
        await caught_up(servers.primary, server)
    another = Another(servers.replica.url.replace("/postgres?", "/another?"), servers.replica.where)
    async with watching(servers.primary, [another]) as watched:
        await watched.look()

        assert watched.replica.standing is Standing.UNFIT
        with pytest.raises(Unavailable, match='relation "'):
            await watched.replica.read(["job_1"])


async def test_one_that_shows_its_beats_and_no_jobs_is_unfit_too(servers: Replicated, mover: Mover) -> None:
    """Else each cold read would ask it in vain, and its health would look good."""
    await mover.stored()
    await ask(servers.primary, "CREATE ROLE looker LOGIN")
    await ask(servers.primary, "GRANT SELECT ON replica_beats TO looker")
    for server in servers.replicas:
        await caught_up(servers.primary, server)
    forbidden = Another(servers.replica.url.replace("postgres@", "looker@"), servers.replica.where)
    async with watching(servers.primary, [forbidden]) as watched:
        await watched.look()

        assert watched.replica.standing is Standing.UNFIT
