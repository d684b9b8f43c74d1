"""The model's Postgres and Redis do as the real ones do, as far as the service asks them."""

import time
from collections.abc import AsyncIterator, Iterable
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.caching import any_job
from in_process.moving import Mover
from model.loop import ModelLoop
from model.postgres import Postgres
from model.redis import Redis
from model.worlds import WITH_PROGRESS
from polling_api.cache import Entry, Keeping, Outcome, RedisClock, RedisStatuses
from polling_api.cache.record import found_in, key_of
from polling_api.domain.advance import Transition
from polling_api.domain.job import Job, Progress, new_job_id
from polling_api.hub import Notice
from polling_api.store.changes import Change
from polling_api.store.source import PrimarySource

TTL: Final = 30.0  # seconds
OWNER: Final = "a monitor"

# A version, 0 for a deletion; how many seconds ago it was seen; whether it is written as a whole or only renewed.
Write = tuple[int, int, bool]
WRITES: Final = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([0, 5, 12, 28, 40]), st.booleans()), min_size=1, max_size=8
)


@pytest.fixture
async def statuses(redis_url: str) -> AsyncIterator[RedisStatuses]:
    """The real cache, which has told its time."""
    statuses = RedisStatuses(redis_url, Keeping(TTL, RedisClock()), timeout=10)
    await statuses.keep([])
    yield statuses
    await statuses.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=WRITES)
async def test_redis_keeps_what_the_script_keeps(statuses: RedisStatuses, writes: list[Write]) -> None:
    job_id, loop = new_job_id(), ModelLoop()
    twin, keeping = Redis(loop), Keeping(TTL, RedisClock())
    keeping.told(twin.ask([keeping.command([])])[0], loop.now)

    outcomes, twins = list[Outcome](), list[Outcome]()
    for write in writes:
        outcomes += await statuses.keep([entry(job_id, write, time.monotonic())])
        [answer] = twin.ask([keeping.command([entry(job_id, write, loop.now)])])
        twins += keeping.told(answer, loop.now)

    assert twins == outcomes
    found = (await statuses.read([job_id])).get(job_id)
    [[line]] = twin.ask([["MGET", key_of(job_id)]])
    twins_found = None if line is None else found_in(line, twin.clock)
    assert (found is None) == (twins_found is None)
    if found is not None and twins_found is not None:
        assert found.age == pytest.approx(twins_found.age, abs=2.5)  # the real one's goes on, on a busy machine
        assert version_in(found.notice) == version_in(twins_found.notice)


async def test_postgres_answers_as_the_store_does(engine: AsyncEngine) -> None:
    mover = Mover(engine)
    real, source = [await mover.stored()], PrimarySource(engine)
    twin = Postgres(ModelLoop())
    twins = [twin.create(real[0].id)]
    twin.claim(OWNER)
    for status, completed in WITH_PROGRESS:
        real += await mover.commit(real[-1:], status, completed=completed)
        change = Change(
            job_id=twins[-1].id,
            from_version=twins[-1].version,
            transition=Transition(status, Progress(twins[-1].progress.total, completed)),
            poll_after=1,
            observed=True,
        )
        twins += twin.save(OWNER, [change])

    assert told(twins) == told(real)
    job_id, unknown = real[0].id, any_job()
    ids = [job_id, unknown.id]
    assert told(twin.read(ids).values()) == told((await source.read(ids)).values())
    for known, twins_known in zip(real, twins, strict=True):
        differences, twins_differences = (
            await source.differing([known, unknown]),
            twin.differing([twins_known, unknown]),
        )
        assert told(twins_differences.changed) == told(differences.changed)
        assert twins_differences.missing == differences.missing == [unknown.id]
        after = {job_id: known.version, unknown.id: 0}
        statuses, twins_statuses = await source.statuses_after(after), twin.statuses_after(after)
        assert told(twins_statuses.get(job_id, ())) == told(statuses.get(job_id, ()))


async def test_postgres_takes_no_change_that_was_decided_on_another_version() -> None:
    twin = Postgres(ModelLoop())
    job = twin.create(new_job_id())
    change = Change(
        job_id=job.id,
        from_version=job.version,
        transition=Transition(WITH_PROGRESS[0][0], job.progress),
        poll_after=1,
        observed=True,
    )

    assert twin.save(OWNER, [change]) == []  # it holds nothing yet
    twin.claim(OWNER)
    assert [saved.version for saved in twin.save(OWNER, [change])] == [2]
    assert twin.save(OWNER, [change]) == []


def entry(job_id: str, write: Write, now: float) -> Entry:
    version, age, whole = write
    if version == 0:
        return Entry.of(Notice.gone(job_id), now - age)
    if whole:
        return Entry.of(Notice.of(any_job(version, job_id=job_id)), now - age)
    return Entry(job_id, version, now - age)


def version_in(notice: Notice | None) -> int | None:
    return None if notice is None else notice.version


def told(jobs: Iterable[Job]) -> list[tuple[str, int, str, int, int]]:
    """What of versions does not depend on when they were made."""
    return [(job.id, job.version, job.status, job.status_version, job.progress.completed) for job in jobs]
