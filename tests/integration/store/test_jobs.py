"""Storing and reading jobs."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.advance import Transition
from polling_api.domain.job import Job, Progress, Status, new_job_id
from polling_api.errors import Invalid
from polling_api.store import jobs, leases
from polling_api.store.jobs import Differences, NewJob, NewRequest
from polling_api.store.leases import Change

Submit = Callable[..., Awaitable[Job]]
Sql = Callable[..., Awaitable[Any]]


def new_job(total: int) -> NewJob:
    return NewJob(
        id=new_job_id(),
        client_id=None,
        provider="simulator",
        endpoint="/v1/responses",
        metadata={"z": "first", "a": "second"},
        total=total,
        expires_in=60,
        poll_after=7,
    )


def change(job: Job, status: Status, completed: int = 0) -> Change:
    transition = Transition(status, replace(job.progress, completed=completed))
    return Change(job_id=job.id, from_version=job.version, transition=transition, poll_after=5, observed=True)


async def test_a_new_job_is_queued_and_is_read_as_it_was_created(engine: AsyncEngine) -> None:
    new = new_job(total=2)

    created = (await jobs.create(engine, new, [NewRequest("a", "{}"), NewRequest("b", "{}")])).job

    assert created == Job(
        id=new.id,
        version=1,
        status=Status.QUEUED,
        status_version=1,
        progress=Progress(2),
        endpoint="/v1/responses",
        provider="simulator",
        created_at=created.created_at,
        updated_at=created.created_at,
        expires_at=created.created_at + timedelta(seconds=60),
        metadata={"z": "first", "a": "second"},
        poll_after=7,
    )
    assert await jobs.read(engine, [new.id, "job_unknown"]) == {new.id: created}


async def test_metadata_comes_back_in_the_order_it_was_sent(engine: AsyncEngine, submit: Submit) -> None:
    created = await submit(metadata={"z": "1", "a": "2", "mm": "3"})

    found = await jobs.read(engine, [created.id])

    assert list(found[created.id].metadata) == ["z", "a", "mm"]


async def test_a_job_without_a_deadline_has_none(submit: Submit) -> None:
    created = await submit()

    assert created.expires_at is None


async def test_a_failing_request_leaves_nothing_stored(engine: AsyncEngine, sql: Sql) -> None:
    new = new_job(total=3000)

    def failing() -> Iterator[NewRequest]:
        yield from (NewRequest(f"item-{n}", f'"{"x" * 1000}"') for n in range(2999))
        raise Invalid("line 3000 is no JSON")

    with pytest.raises(Invalid, match="line 3000"):
        await jobs.create(engine, new, failing())

    assert await jobs.read(engine, [new.id]) == {}
    assert await sql("SELECT count(*) FROM requests WHERE job_id = :id", id=new.id) == 0
    assert await sql("SELECT count(*) FROM transitions WHERE job_id = :id", id=new.id) == 0


async def test_a_custom_id_given_twice_is_refused_and_leaves_nothing_stored(engine: AsyncEngine, sql: Sql) -> None:
    new = new_job(total=2)

    with pytest.raises(Invalid, match="custom_id"):
        await jobs.create(engine, new, [NewRequest("same", "{}"), NewRequest("same", "{}")])

    assert await jobs.read(engine, [new.id]) == {}
    assert await sql("SELECT count(*) FROM requests WHERE job_id = :id", id=new.id) == 0


async def test_a_total_that_is_not_the_number_of_requests_is_refused(engine: AsyncEngine) -> None:
    new = new_job(total=3)

    with pytest.raises(ValueError, match="1 requests"):
        await jobs.create(engine, new, [NewRequest("a", "{}")])

    assert await jobs.read(engine, [new.id]) == {}


async def test_requests_are_copied_whatever_their_number(submit: Submit, asked: Any) -> None:
    few = await asked(submit(total=2))
    many = await asked(submit(total=2000))

    assert len(many) == len(few) == 2
    assert not any("INSERT INTO requests" in statement for statement, _ in many)


async def test_reading_many_jobs_takes_one_statement(engine: AsyncEngine, submit: Submit, asked: Any) -> None:
    ids = [(await submit()).id for _ in range(20)]

    statements = await asked(jobs.read(engine, ids))

    assert len(statements) == 1


async def test_differing_answers_with_what_changed_and_what_is_missing_alone(
    engine: AsyncEngine, submit: Submit
) -> None:
    same, behind, ahead, anew = [await submit() for _ in range(4)]
    earlier = anew.updated_at - timedelta(microseconds=1)

    found = await jobs.differing(
        engine,
        [
            same,
            replace(behind, version=0),
            replace(ahead, version=9),
            replace(anew, updated_at=earlier),
            replace(same, id="job_unknown"),
        ],
    )

    assert sorted(job.id for job in found.changed) == sorted([behind.id, ahead.id, anew.id])
    assert found.missing == ["job_unknown"]


async def test_differing_from_nothing_is_no_difference(engine: AsyncEngine) -> None:
    assert await jobs.differing(engine, []) == Differences([], [])


@pytest.mark.usefixtures("empty")
async def test_replay_gives_each_status_as_it_was_and_leaves_out_mere_progress(
    engine: AsyncEngine, submit: Submit
) -> None:
    queued = await submit(total=10, metadata={"k": "v"}, client_id="client_1")
    await leases.claim(engine, owner="m", limit=10, lease=30)
    [running] = await leases.save(engine, "m", [change(queued, Status.IN_PROGRESS, 1)], results_keep=60)
    [further] = await leases.save(engine, "m", [change(running, Status.IN_PROGRESS, 4)], results_keep=60)
    [ended] = await leases.save(engine, "m", [change(further, Status.SUCCEEDED, 10)], results_keep=60)

    after_none = await jobs.statuses_after(engine, {queued.id: 0, "job_unknown": 0})
    after_running = await jobs.statuses_after(engine, {queued.id: running.version})
    after_the_end = await jobs.statuses_after(engine, {queued.id: ended.version})

    assert after_none == {queued.id: [queued, running, ended], "job_unknown": []}
    assert after_running == {queued.id: [ended]}
    assert after_the_end == {queued.id: []}
