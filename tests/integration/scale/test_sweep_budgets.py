"""What a sweep asks of Postgres, by its own count: a few statements, however many jobs and waiters there are."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.asked_of_postgres import count_statements, statements_asked
from in_process.carriers import LocalCarrier
from in_process.deadlines import eventually
from in_process.moving import Mover
from in_process.nodes import NO_COMPARISON, Node, running_node
from in_process.telling import TellingProvider
from polling_api.domain.job import Status
from polling_api.hub import Hub
from polling_api.monitor.batch_monitor import TOGETHER, BatchMonitor
from polling_api.monitor.decision import Patience
from polling_api.monitor.ledger import Ledger, nothing, to_nobody
from polling_api.monitor.sweep import Sweep
from polling_api.store.engine import connect, transaction
from polling_api.store.source import PrimarySource
from running.budgets import keep
from running.emptying import delete_all

MANY = 1_000
READERS = 100
INTERVAL = 30.0  # seconds, as in production
# As long after the last version as it takes for progress to make another.
DUE = text(
    "UPDATE jobs SET upstream_id = 'batch_' || id, due_at = now(), lease_owner = NULL, "
    "updated_at = updated_at - interval '1 hour'"
)
ONE_BY_ONE = 100
APART = 0.02  # seconds from when one is due until the next is
DUE_IN_TURN = text(
    "UPDATE jobs SET upstream_id = 'batch_' || jobs.id, lease_owner = NULL, due_at = now() + place * (:apart)::float * "
    "interval '1 second' FROM (SELECT id, row_number() OVER () AS place FROM jobs) AS placed WHERE placed.id = jobs.id"
)


class Monitor:
    """Sweeps when it is told to, and not otherwise: what it asks can be counted to the last statement.

    Args:
        engine: the primary's.
        provider: says what became of the jobs.
        hub: tells of them.
    """

    def __init__(self, engine: AsyncEngine, provider: TellingProvider, hub: Hub) -> None:
        self._engine = engine
        self._ledger = Ledger(
            engine,
            hub.publish,
            to_nobody,
            nothing,
            owner="budgets",
            lease=30,
            results_keep=60,
            given_back=lambda _: None,
        )
        self._sweep = Sweep(self._ledger, provider, Patience(INTERVAL), nothing, lambda: 0.5, concurrency=1)

    async def sweep(self) -> int:
        """Look at all jobs, as if all were due; answers how many statements that took."""
        async with transaction(self._engine) as connection:
            await connection.execute(DUE)
        before = await statements_asked(self._engine)
        await self._sweep.look(await self._ledger.claim(MANY))
        await self._ledger.next_due()
        return await statements_asked(self._engine) - before


@pytest.fixture
def provider() -> TellingProvider:
    return TellingProvider()


@pytest.fixture
async def node(engine: AsyncEngine) -> AsyncIterator[Node]:
    carrier = LocalCarrier()
    async with running_node(PrimarySource(engine), carrier.transport(), NO_COMPARISON) as running:
        yield running
    carrier.stop()


@pytest.fixture
async def monitor(
    postgres_url: str, engine: AsyncEngine, provider: TellingProvider, node: Node
) -> AsyncIterator[Monitor]:
    """With a connection that has carried all statements before: the driver asks for their types once on each."""
    await count_statements(engine)
    own = connect(
        postgres_url,
        pool_size=1,
        max_overflow=0,
        pool_timeout=10,
        statement_timeout=20,
        application_name="budgets",
    )
    monitor = Monitor(own, provider, node.hub)
    await in_progress(engine, 1)
    for provider.completed in range(2):
        await monitor.sweep()
    yield monitor
    await own.dispose()


async def in_progress(engine: AsyncEngine, count: int) -> list[str]:
    """The ids of so many jobs, which are all that there are."""
    async with transaction(engine) as connection:
        await delete_all(connection)
    mover = Mover(engine)
    await mover.store(count)
    return [job.id for job in await mover.commit(await mover.take(), Status.IN_PROGRESS)]


async def test_a_sweep_over_a_thousand_jobs_keeps_its_budget(
    engine: AsyncEngine, provider: TellingProvider, monitor: Monitor
) -> None:
    await in_progress(engine, MANY)
    provider.asked = provider.completed = 0

    unchanged = await monitor.sweep()
    provider.completed = 2
    changed = await monitor.sweep()

    assert provider.asked == 2
    keep("statements.sweep_of_1000_unchanged", unchanged)
    keep("statements.sweep_of_1000_changed", changed)


async def test_jobs_that_come_due_one_by_one_are_looked_at_together(
    engine: AsyncEngine, provider: TellingProvider, node: Node
) -> None:
    await in_progress(engine, ONE_BY_ONE)
    async with transaction(engine) as connection:
        await connection.execute(DUE_IN_TURN, {"apart": APART})
    monitor = BatchMonitor(
        engine,
        provider,
        node.hub.publish,
        owner="together",
        interval=INTERVAL,
        lease=30,
        concurrency=1,
        results_keep=60,
        submit_within=60,
        wake=asyncio.Event(),
    )
    running = asyncio.create_task(monitor.run())

    await eventually(lambda: provider.looked_at == ONE_BY_ONE)

    await monitor.stop()
    await running
    sweeps = ONE_BY_ONE * APART / (INTERVAL * TOGETHER)
    assert provider.asked <= sweeps + 2  # the first, and what the last one left


async def test_a_change_keeps_its_budget_however_many_wait_for_it(
    engine: AsyncEngine, provider: TellingProvider, monitor: Monitor, node: Node
) -> None:
    [job_id] = await in_progress(engine, 1)
    alone = await monitor.sweep()
    present = await node.watch.wait(job_id, lambda job: job.progress.completed == 1, 10)
    assert present is not None
    waiting = [
        asyncio.create_task(node.watch.wait(job_id, lambda job: job.progress.completed == 3, 30))
        for _ in range(READERS)
    ]
    await eventually(lambda: _followers(node, job_id) == READERS)

    provider.completed = 3
    waking = await monitor.sweep()
    woken = await asyncio.gather(*waiting)

    assert [snapshot for snapshot in woken if snapshot is None or snapshot.job.progress.completed != 3] == []
    keep("statements.change", alone)
    keep("statements.change_that_wakes_100", waking)


def _followers(node: Node, job_id: str) -> int:
    topic = node.watch.live(job_id)
    return 0 if topic is None else len(topic.followers)
