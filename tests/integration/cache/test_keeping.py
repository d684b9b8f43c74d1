"""The script keeps the higher version, whatever order writes come in, and tells how old it is by Redis's own clock."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from in_process.caching import any_job, kept, statuses_in, until_kept
from in_process.carriers import RedisCarrier
from polling_api.cache import Entry, Outcome, RedisClock, RedisStatuses
from polling_api.cache.keeping import MOST_AT_ONCE
from polling_api.cache.record import GONE
from polling_api.domain.job import new_job_id
from polling_api.hub import Notice

TTL = 30.0
SLACK = 0.25  # seconds that a round trip may take on a busy machine
EVERYTHING_IS_SLOW = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
async def statuses(redis: RedisCarrier) -> AsyncIterator[RedisStatuses]:
    """A process's connection, to which Redis has told its time."""
    statuses = statuses_in(redis, ttl=TTL, timeout=5)
    await statuses.keep([])
    yield statuses
    await statuses.close()


@pytest.fixture
async def other(redis: RedisCarrier) -> AsyncIterator[RedisStatuses]:
    """Another process's."""
    statuses = statuses_in(redis, ttl=TTL, timeout=5)
    await statuses.keep([])
    yield statuses
    await statuses.close()


@dataclass(frozen=True, slots=True)
class Write:
    """A version, seen so many seconds ago, written as a whole or only renewed; version 0 stands for a deletion."""

    version: int
    age: int
    whole: bool = True

    def entry(self, job_id: str, now: float) -> Entry:
        if self.version == 0:
            return Entry.of(Notice.gone(job_id), now - self.age)
        if self.whole:
            return Entry.of(Notice.of(any_job(self.version, job_id=job_id)), now - self.age)
        return Entry(job_id, self.version, now - self.age)


@dataclass
class Model:
    """What Redis has to do, in other words: what it keeps of one job."""

    version: int = -1
    age: int = 0

    def write(self, write: Write) -> Outcome:
        version = GONE if write.version == 0 else write.version
        if version != GONE and write.age >= TTL:
            return Outcome.LATE
        if self.version > version:
            return Outcome.OLDER
        if self.version == version:
            self.age = min(self.age, write.age)
            return Outcome.RENEWED
        if version != GONE and not write.whole:
            return Outcome.LACKING
        self.version, self.age = version, write.age
        return Outcome.KEPT


# Ages that differ by seconds, so that what a round trip takes changes none of the comparisons.
AGES = st.sampled_from([0, 5, 10, 20, 28, 31, 60])
WRITES = st.builds(Write, st.integers(0, 4), AGES, st.booleans())


@EVERYTHING_IS_SLOW
@given(writes=st.lists(WRITES, max_size=12))
async def test_any_writes_in_any_order_leave_what_the_rules_say(statuses: RedisStatuses, writes: list[Write]) -> None:
    job_id, model, now = new_job_id(), Model(), time.monotonic()

    told = [(await statuses.keep([write.entry(job_id, now)]))[0] for write in writes]

    assert told == [model.write(write) for write in writes]
    found = (await statuses.read([job_id])).get(job_id)
    if model.version == -1:
        assert found is None
    elif model.version == GONE:
        assert found is not None
        assert found.notice is None
    else:
        assert found is not None
        assert found.notice is not None
        assert (found.notice.version, found.notice.job().version) == (model.version, model.version)
        assert model.age <= found.age < model.age + SLACK + (time.monotonic() - now)


@EVERYTHING_IS_SLOW
@given(versions=st.permutations(range(1, 7)), processes=st.lists(st.integers(0, 1), min_size=6, max_size=6))
async def test_the_highest_version_is_kept_whoever_writes_it_and_when(
    statuses: RedisStatuses, other: RedisStatuses, versions: list[int], processes: list[int]
) -> None:
    job_id, now = new_job_id(), time.monotonic()

    writes = zip(versions, processes, strict=True)
    await asyncio.gather(
        *((statuses, other)[process].keep([Write(version, 0).entry(job_id, now)]) for version, process in writes)
    )

    found = (await statuses.read([job_id]))[job_id]
    assert found.notice is not None
    assert found.notice.job() == any_job(6, job_id=job_id)


async def test_many_are_kept_and_read_in_one_round_trip_each(statuses: RedisStatuses) -> None:
    jobs = [any_job(n + 1, client_id="client_1") for n in range(MOST_AT_ONCE)]
    now = time.monotonic()

    outcomes = await statuses.keep([Entry.of(Notice.of(job), now) for job in jobs])
    found = await statuses.read([*(job.id for job in jobs), new_job_id()])

    assert set(outcomes) == {Outcome.KEPT}
    assert [one.notice and one.notice.job() for one in found.values()] == jobs


async def test_what_is_kept_lapses_when_it_was_seen_too_long_ago(redis: RedisCarrier, statuses: RedisStatuses) -> None:
    job = any_job()
    await statuses.keep([Entry.of(Notice.of(job), time.monotonic() - 20)])

    held = await kept(redis, job.id)

    assert held is not None
    assert 10_000 - 1000 * SLACK < held[1] <= 10_000


async def test_a_deletion_outlasts_every_write_of_what_was_seen_before_it(
    redis: RedisCarrier, statuses: RedisStatuses
) -> None:
    """However long the deletion itself was held up."""
    job = any_job()
    await statuses.keep([Entry.of(Notice.gone(job.id), time.monotonic() - 100)])

    late = await statuses.keep([Entry.of(Notice.of(job), time.monotonic())])

    held = await kept(redis, job.id)
    assert late == [Outcome.OLDER]
    assert held is not None
    assert TTL * 1000 - 1000 * SLACK < held[1] <= TTL * 1000


async def test_a_write_that_a_frozen_redis_carries_out_late_is_no_fresher_for_that(redis: RedisCarrier) -> None:
    impatient, patient, job = statuses_in(redis, timeout=0.1), statuses_in(redis, timeout=5), any_job()
    await impatient.keep([])
    redis.freeze()
    seen_at = time.monotonic()
    with pytest.raises(ConnectionError):
        await impatient.keep([Entry.of(Notice.of(job), seen_at)])
    await asyncio.sleep(0.5)  # what has to pass is time itself

    redis.thaw()
    await until_kept(redis, [job.id])
    found = (await patient.read([job.id]))[job.id]

    assert found.age >= 0.5
    for statuses in (impatient, patient):
        await statuses.close()


async def test_before_redis_has_told_its_time_nothing_is_kept(redis: RedisCarrier) -> None:
    statuses, job = statuses_in(redis, timeout=5), any_job()

    first = await statuses.keep([Entry.of(Notice.of(job), time.monotonic())])
    second = await statuses.keep([Entry.of(Notice.of(job), time.monotonic())])

    assert (first, second) == ([], [Outcome.KEPT])
    await statuses.close()


async def test_one_process_of_many_fills_an_empty_redis(redis: RedisCarrier) -> None:
    processes = [statuses_in(redis, timeout=5) for _ in range(5)]

    claims = [await one.claim_filling() for one in processes]
    await processes[claims.index(True)].filled()

    assert claims.count(True) == 1
    assert not await processes[0].claim_filling()
    async with redis.client() as plain:
        await plain.flushall()
    assert await processes[0].claim_filling()
    for one in processes:
        await one.close()


@given(
    ahead=st.integers(-(10**9), 10**9),
    trips=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 0.5), st.floats(0, 0.5)), min_size=1, max_size=10),
)
def test_a_moment_never_looks_later_in_redis_time_than_it_is(
    ahead: int, trips: list[tuple[float, float, float]]
) -> None:
    """Of clocks that run alike: Redis's is `ahead` milliseconds of ours."""
    clock, now = RedisClock(), 1_000_000.0
    for pause, there, back in trips:
        now += pause
        answered_at = now + there
        now = answered_at + back

        clock.learn(int(answered_at * 1000 + ahead), now)

        moment = now - 1.5
        assert clock.at(moment) <= moment * 1000 + ahead + 1e-3
        assert clock.at(moment) >= moment * 1000 + ahead - 501 - 1


async def test_what_nobody_can_read_is_a_miss(redis: RedisCarrier, statuses: RedisStatuses) -> None:
    job_id = new_job_id()
    async with redis.client() as plain:
        await plain.set(f"polling:status:{job_id}", "of another release")

    assert await statuses.read([job_id]) == {}
