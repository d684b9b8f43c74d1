"""The replay of a client's jobs: what was committed between two moments, whatever the order of the commits was."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.moving import Mover
from polling_api.domain.job import Job, Status
from polling_api.domain.places import Horizon, Moves, Place
from polling_api.store import endings, jobs, replay


@pytest.fixture
def client() -> str:
    return f"client_{uuid4().hex}"


async def now(engine: AsyncEngine, client: str) -> Place:
    """The place of a reader who has been told everything there is."""
    return Place((await page(engine, client, None)).until)


async def page(engine: AsyncEngine, client: str, place: Place | None, limit: int = 100) -> Moves:
    return (await replay.moves(engine, {client: place}, limit=limit))[client]


def told(moves: Moves) -> list[tuple[str, int]]:
    return [(move.job.id, move.job.version) for move in moves.moves]


def versions(jobs: Sequence[Job]) -> list[tuple[str, int]]:
    return [(job.id, job.version) for job in jobs]


async def test_every_status_since_is_told_in_order_and_nothing_of_others(
    engine: AsyncEngine, mover: Mover, client: str
) -> None:
    [first] = await mover.store(client_id=client)
    await mover.store(client_id=f"{client}0")
    await mover.store()
    await mover.take()
    began = await now(engine, client)

    [second] = await mover.store(client_id=client)
    [submitting] = await mover.commit([first], Status.SUBMITTING)
    [ended] = await mover.commit([submitting], Status.FAILED)

    since = await page(engine, client, began)
    assert [move.job for move in since.moves] == [second, submitting, ended]
    assert since.more is False
    assert told(await page(engine, client, Place(since.until))) == []


async def test_of_progress_only_the_newest_is_told(engine: AsyncEngine, mover: Mover, client: str) -> None:
    job = await mover.stored(client_id=client)
    began = await now(engine, client)
    [running] = await mover.commit([job], Status.IN_PROGRESS)
    [quarter] = await mover.commit([running], Status.IN_PROGRESS, completed=1)
    [half] = await mover.commit([quarter], Status.IN_PROGRESS, completed=2)

    assert told(await page(engine, client, began)) == versions([running, half])


async def test_a_transaction_that_commits_late_is_told_then_and_once(
    engine: AsyncEngine, mover: Mover, client: str
) -> None:
    late, early = await mover.store(2, client_id=client)
    await mover.take()
    began = await now(engine, client)

    written = await mover.write(late, Status.SUBMITTING)
    [moved] = await mover.commit([early], Status.SUBMITTING)  # by a younger transaction
    between = await page(engine, client, began)
    assert told(between) == versions([moved])
    assert told(await page(engine, client, Place(between.until))) == []

    await written.commit()

    after = await page(engine, client, Place(between.until))
    assert told(after) == [(late.id, 2)]
    assert told(await page(engine, client, Place(after.until))) == []


async def test_a_transaction_that_is_rolled_back_is_never_told(engine: AsyncEngine, mover: Mover, client: str) -> None:
    job = await mover.stored(client_id=client)
    began = await now(engine, client)
    written = await mover.write(job, Status.SUBMITTING)
    between = await page(engine, client, began)
    await written.roll_back()

    assert told(await page(engine, client, Place(between.until))) == []


async def test_pages_lead_to_the_moment_of_the_first_whatever_is_committed_meanwhile(
    engine: AsyncEngine, mover: Mover, client: str
) -> None:
    late, *others = await mover.store(4, client_id=client)
    await mover.take()
    began = await now(engine, client)
    written = await mover.write(late, Status.SUBMITTING)
    moved = await mover.commit(others, Status.SUBMITTING)

    first = await page(engine, client, began, limit=2)
    await written.commit()  # it would stand before the place of the first page
    await mover.commit(moved, Status.IN_PROGRESS)
    place = Place(began.since, until=first.until, after=first.moves[-1].position)
    second = await page(engine, client, place, limit=2)

    assert (len(first.moves), first.more, len(second.moves), second.more) == (2, True, 1, False)
    assert {*told(first), *told(second)} == {*versions(moved)}
    rest = await page(engine, client, Place(second.until))
    assert {version for _, version in told(rest)} == {2, 3}
    assert len(rest.moves) == 4
    assert second.until == first.until


async def test_several_clients_are_read_in_one_statement_each_from_its_own_place(
    engine: AsyncEngine, mover: Mover, client: str, asked: Callable[[Awaitable[Any]], Awaitable[list[Any]]]
) -> None:
    other = f"{client}0"
    [mine] = await mover.store(client_id=client)
    began = await now(engine, client)
    [later] = await mover.store(client_id=client)
    [theirs] = await mover.store(client_id=other)
    places = {client: began, other: began, "client_of_nothing": began, "client_of_now": None}

    found: dict[str, Moves] = {}

    async def read() -> None:
        found.update(await replay.moves(engine, places, limit=10))

    assert len(await asked(read())) == 1
    assert told(found[client]) == versions([later])
    assert told(found[other]) == versions([theirs])
    assert (told(found["client_of_nothing"]), told(found["client_of_now"])) == ([], [])
    assert mine.id not in dict(told(found[client]))


async def test_a_job_that_was_deleted_since_is_not_told(engine: AsyncEngine, mover: Mover, client: str) -> None:
    job = await mover.stored(client_id=client)
    began = await now(engine, client)
    await mover.commit([job], Status.FAILED)
    await endings.delete(engine, job.id)

    assert told(await page(engine, client, began)) == []


async def test_a_version_from_another_cluster_whose_transactions_are_ahead_is_not_told(
    engine: AsyncEngine, mover: Mover, client: str, sql: Any
) -> None:
    job = await mover.stored(client_id=client)
    began = await now(engine, client)
    await mover.commit([job], Status.FAILED)
    await sql("UPDATE transitions SET xid = '999999999' WHERE job_id = :id AND version = 2", id=job.id)

    assert told(await page(engine, client, began)) == []


async def test_a_first_visit_sees_each_unfinished_job_as_it_was_at_its_moment(
    engine: AsyncEngine, mover: Mover, client: str
) -> None:
    waiting, moving, ending, ended = await mover.store(4, client_id=client)
    await mover.take()
    [moving] = await mover.commit([moving], Status.IN_PROGRESS)
    await mover.commit([ended], Status.FAILED)
    moment = (await now(engine, client)).since

    await mover.commit([moving], Status.FINALIZING)
    await mover.commit([ending], Status.CANCELLED)
    await mover.store(client_id=client)

    visits = await replay.visits(engine, client, moment, limit=10)
    assert visits.jobs == sorted([waiting, moving], key=lambda job: (job.created_at, job.id))
    assert visits.more is False


async def test_a_first_visit_comes_in_pages_oldest_first(engine: AsyncEngine, mover: Mover, client: str) -> None:
    stored = sorted(await mover.store(5, client_id=client), key=lambda job: (job.created_at, job.id))
    moment = (await now(engine, client)).since

    pages = [await replay.visits(engine, client, moment, limit=2)]
    while pages[-1].more and pages[-1].visited:
        pages.append(await replay.visits(engine, client, moment, after=pages[-1].visited, limit=2))

    assert [job for one in pages for job in one.jobs] == stored
    assert [len(one.jobs) for one in pages] == [2, 2, 1]


async def test_a_page_of_jobs_that_were_not_there_yet_leads_on(engine: AsyncEngine, mover: Mover, client: str) -> None:
    moment = (await now(engine, client)).since
    await mover.store(3, client_id=client)

    first = await replay.visits(engine, client, moment, limit=2)
    assert (first.jobs, first.more) == ([], True)
    assert first.visited
    assert (await replay.visits(engine, client, moment, after=first.visited, limit=2)).more is False


async def test_versions_from_before_there_was_a_replay_are_seen_by_a_first_visit_and_stay_their_clients(
    engine: AsyncEngine, mover: Mover, client: str, sql: Any
) -> None:
    [job] = await mover.store(client_id=client)
    await sql("UPDATE transitions SET client_id = NULL, xid = NULL WHERE job_id = :id", id=job.id)
    moment = (await now(engine, client)).since

    assert (await replay.visits(engine, client, moment, limit=2)).jobs == [job]
    assert (await jobs.statuses_after(engine, {job.id: 0}))[job.id][0].client_id == client


def test_a_horizon_is_what_postgres_writes() -> None:
    assert str(Horizon.parse("10:20:11,14")) == "11:20:11,14"
    assert str(Horizon.parse("20:20:")) == "20:20:"
    with pytest.raises(ValueError, match="no snapshot"):
        Horizon.parse("10:20")


MANY_TRANSITIONS = """
INSERT INTO jobs (id, client_id, provider, endpoint, metadata, version, status, status_version, total, completed,
                  failed, expired, cancelled, poll_after, created_at, updated_at, finished_at, due_at, attempts)
SELECT 'job_' || md5(n::text), 'client_many', 'openai', '/v1/chat/completions', '{}', 2,
       CASE WHEN n <= 100 THEN 'in_progress' ELSE 'succeeded' END, 2, 10, 10, 0, 0, 0, 5, now() - n * interval '1 s',
       now(), CASE WHEN n > 100 THEN now() END, now(), 0 FROM generate_series(1, 50000) AS n
"""


@pytest.fixture(scope="module")
async def many(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(MANY_TRANSITIONS)
        await driver.execute(
            "INSERT INTO transitions (job_id, client_id, version, status, status_version, completed, failed, expired,"
            " cancelled, poll_after, updated_at, xid) SELECT id, client_id, v, 'in_progress', v, 0, 0, 0, 0, 5, now(),"
            " (100 + row_number() OVER ())::text::xid8 FROM jobs, generate_series(1, 2) AS v"
            " WHERE client_id = 'client_many'"
        )
        await driver.execute("ANALYZE jobs, transitions")


@pytest.mark.usefixtures("many")
async def test_among_100_000_transitions_a_replay_reads_from_its_place_on(
    engine: AsyncEngine, plans: Callable[[Awaitable[Any]], Awaitable[str]]
) -> None:
    places = {f"client_{n}": Place(Horizon(90_000)) for n in range(20)}

    plan = await plans(replay.moves(engine, {**places, "client_many": Place(Horizon(90_000))}, limit=100))

    assert '"Index Name": "transitions_of_client"' in plan
    assert "xid >= pg_snapshot_xmin" in plan.split('"Index Cond": ')[1]
    assert "Seq Scan" not in plan


@pytest.mark.usefixtures("many")
async def test_among_50_000_jobs_the_unfinished_are_found_by_their_statuses(
    engine: AsyncEngine, plans: Callable[[Awaitable[Any]], Awaitable[str]]
) -> None:
    plan = await plans(replay.visits(engine, "client_many", Horizon(10**9), limit=100))

    assert '"Index Name": "jobs_of_client_by_status"' in plan
    assert '"Index Name": "transitions_pkey"' in plan
    assert "Seq Scan" not in plan
