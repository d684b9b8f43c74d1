"""Behind a real PgBouncer in transaction mode, where the next statement may be another connection's."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from in_process.moving import Mover
from polling_api.embedded import Server
from polling_api.settings import Settings
from polling_api.store import jobs, leases
from polling_api.store.beats import beat
from polling_api.store.capacity import capacity
from polling_api.store.engine import Engine, connect, statements, transaction
from polling_api.store.heartbeat import Heartbeat
from polling_api.store.line import Line
from polling_api.store.replica import ReplicaServer
from polling_api.supervisor.connections import require_room
from polling_api.supervisor.errors import StartError
from running.asking import asking
from running.events import open_events
from running.jobs import ended_job, submit
from running.keyholders import make_client
from running.pgbouncer import needs_pgbouncer, pgbouncer
from running.service import running_service

pytestmark = needs_pgbouncer


@pytest.fixture(scope="module")
def pooled_url(postgres: Server, postgres_url: str, servers_folder: Path) -> Iterator[str]:
    with pgbouncer(postgres, servers_folder / "pgbouncer") as port:
        yield f"postgresql://postgres@127.0.0.1:{port}/{make_url(postgres_url).database}"


def pool(url: str, *, pooled: bool = True) -> Engine:
    return connect(
        url,
        pool_size=4,
        max_overflow=4,
        pool_timeout=5,
        statement_timeout=2,
        lock_timeout=1,
        application_name="pooled",
        pooled=pooled,
    )


@pytest.fixture
async def through(pooled_url: str) -> AsyncIterator[Engine]:
    engine = pool(pooled_url)
    yield engine
    await engine.dispose()


async def test_the_same_statements_of_many_callers_come_over_few_connections(through: Engine) -> None:
    async def read(number: int) -> None:
        async with statements(through) as connection:
            for _ in range(10):
                assert await connection.scalar(text("SELECT CAST(:n AS int)"), {"n": number}) == number
        assert await jobs.read(through, [f"job_{number:032x}"]) == {}
        await leases.next_due(through)

    async with asyncio.timeout(60):
        await asyncio.gather(*map(read, range(12)))


async def test_nothing_is_left_prepared_on_the_servers(through: Engine) -> None:
    for number in range(5):
        await jobs.read(through, [f"job_{number:032x}"])

    async with statements(through) as connection:
        assert await connection.scalar(text("SELECT count(*) FROM pg_prepared_statements")) == 0


async def test_a_transaction_is_limited_and_its_limits_end_with_it(through: Engine) -> None:
    async with transaction(through) as connection:
        within = await connection.scalar(text("SHOW statement_timeout"))
    async with statements(through) as connection:
        outside = [await connection.scalar(text("SHOW statement_timeout")) for _ in range(8)]

    assert within == "2s"
    assert set(outside) == {"0"}


async def test_a_pooler_is_seen_and_asked_for(through: Engine, postgres_url: str) -> None:
    direct = pool(postgres_url, pooled=False)

    behind, before = await capacity(through), await capacity(direct)
    await direct.dispose()

    assert (behind.pooled, before.pooled) == (True, False)
    assert behind.most == before.most
    with pytest.raises(StartError, match="POLLING_DATABASE_POOLED=true"):
        require_room(behind, 60, Settings())
    require_room(behind, 10_000, Settings(database_pooled=True))


async def test_a_heart_beats_through_it(pooled_url: str) -> None:
    heartbeat = Heartbeat(pooled_url, within=5, application_name="pooled heartbeat")

    for _ in range(3):
        await heartbeat.beat()

    heartbeat.close()


async def test_the_whole_service_runs_behind_it(pooled_url: str, redis_url: str, tmp_path: Path) -> None:
    settings = {"database_pooled": "true"}
    async with (
        running_service(pooled_url, redis_url, folder=tmp_path, settings=settings) as service,
        asking(service.url) as client,
    ):
        jobs_of_many = await asyncio.gather(*(ended_job(client) for _ in range(5)))
        results = await client.get(jobs_of_many[0]["links"]["results"])
        history = await client.get(f"{jobs_of_many[0]['links']['self']}/history")
        followed = await submit(client)
        async with open_events(client, followed["links"]["events"]) as events:
            statuses = [event.job["status"] for event in await events.rest()]
        health = await client.get("/health/ready")

    assert {job["status"] for job in jobs_of_many} == {"succeeded"}
    assert len(results.json()["data"]) == 2
    assert [entry["version"] for entry in history.json()["data"]] == sorted(
        entry["version"] for entry in history.json()["data"]
    )
    assert statuses[-1] == "succeeded"
    assert health.json()["status"] == "ready"


async def test_clients_and_their_keys_are_made_through_it(through: Engine) -> None:
    assert (await make_client(through)).row.client_id


async def test_a_replica_behind_one_is_looked_at_and_read(through: Engine, pooled_url: str, mover: Mover) -> None:
    line = Line(pooled_url, within=5, application_name="pooled watch", pooled=True)
    replica = ReplicaServer(through, line)
    job = await mover.stored()
    first = await beat(through, spacing=0)
    try:
        looked = [await replica.look() for _ in range(5)]
        read = await asyncio.gather(*(replica.read([job.id]) for _ in range(20)))
    finally:
        line.close()

    assert first is not None
    assert [held.beats[0] for held in looked] == [first.name] * 5
    assert {found.held and found.held.beats[0] for found in read} == {first.name}
    assert {found.held and found.held.replays for found in read} == {False}
    assert [found.jobs[job.id] for found in read] == [job] * 20
