"""A dispatcher dies, or Postgres does, wherever it would hurt most; every delivery arrives all the same."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from faults.dispatcher_process import BOUNDS, WITHIN, DispatcherProcess
from in_process.deadlines import comes_true
from in_process.hook_receiver import OK, HookReceiver, Told, hook_receiver
from in_process.hooked import ended_jobs, new_endpoint, new_owner
from polling_api.domain.webhook import DeliveryStatus
from polling_api.embedded import Server
from polling_api.store import webhook_deliveries
from polling_api.store.engine import connect, transaction
from polling_api.store.webhook_deliveries import Asked
from polling_api.webhooks.dispatcher import Dispatcher
from polling_api.webhooks.outbound import GuardedClient
from polling_api.webhooks.sender import Sender
from polling_api.webhooks.turns import Turns
from running.cluster import Cluster
from running.emptying import delete_all
from running.keyholders import VAULT

# The whole figure is run by hand: WEBHOOK_DELIVERIES=1000.
DELIVERIES = int(os.environ.get("WEBHOOK_DELIVERIES", "60"))
LEASE = 2 * WITHIN
PATIENCE = 30 + DELIVERIES / 20  # seconds
NTH = DELIVERIES // 4  # a quarter of the way


@pytest.fixture
async def clean(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        await delete_all(connection)


async def until_all_delivered(engine: AsyncEngine) -> None:
    """Wait until nothing is left to be told."""

    async def none_pends() -> bool:
        pending = Asked(client_id=None, status=DeliveryStatus.PENDING)
        return not await webhook_deliveries.page(engine, pending, after=None, limit=1)

    await comes_true(none_pends, within=PATIENCE)


async def all_of(engine: AsyncEngine) -> Counter[str]:
    """How many deliveries there are, by status."""
    found = await webhook_deliveries.page(engine, Asked(client_id=None), after=None, limit=10 * DELIVERIES)
    return Counter(one.status.value for one in found)


async def prepare(engine: AsyncEngine, receiver: HookReceiver) -> None:
    """Have so many ends to tell, of one owner, at two endpoints."""
    owner = await new_owner(engine)
    for number in range(2):
        await new_endpoint(engine, owner, url=receiver.url(f"/{number}"))
    await ended_jobs(engine, owner, DELIVERIES // 2)


def doubles(receiver: HookReceiver, name: str) -> int:
    """How many messages came more than once; printed, since they are the price of losing none."""
    count = len(receiver.ids) - len(set(receiver.ids))
    print(f"\n{name}: {len(set(receiver.ids))} deliveries, {count} of them twice")  # noqa: T201
    return count


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("point", ["claimed", "sending", "sent", "answered", "marked"])
async def test_a_dispatcher_killed_at_any_point_costs_no_delivery(
    engine: AsyncEngine, postgres_url: str, point: str
) -> None:
    processes: list[DispatcherProcess] = []

    async def answer(_told: Told) -> bytes:
        if point == "sent" and len(receiver.told) == NTH:
            processes[0].kill()  # it has sent, and is never answered
        return OK

    async with hook_receiver(answer) as receiver:
        await prepare(engine, receiver)
        nth = 3 if point == "claimed" else NTH
        processes.append(DispatcherProcess(postgres_url, LEASE, point, nth))
        assert await processes[0].ended(PATIENCE) == -signal.SIGKILL
        processes.append(DispatcherProcess(postgres_url, LEASE))
        await until_all_delivered(engine)
        processes[1].kill(signal.SIGTERM)
        assert await processes[1].ended(15) == 0

    assert len(set(receiver.ids)) == DELIVERIES
    assert await all_of(engine) == {"delivered": DELIVERIES}
    assert doubles(receiver, f"killed at {point}") <= BOUNDS.whole


@pytest.fixture(scope="module")
def stopping(cluster: Cluster, servers_folder: Path) -> Iterator[Server]:
    """A Postgres of the test's own, to be restarted."""
    server = cluster.server(servers_folder / "webhooks", durable=True)
    yield server
    server.stop()


@pytest.fixture
async def stopping_engine(stopping: Server) -> AsyncIterator[AsyncEngine]:
    pool = connect(
        stopping.url, pool_size=4, max_overflow=4, pool_timeout=5, statement_timeout=5, application_name="tests"
    )
    yield pool
    await pool.dispose()


async def test_a_restart_of_postgres_in_the_middle_costs_no_delivery(
    stopping: Server, stopping_engine: AsyncEngine
) -> None:
    async with hook_receiver() as receiver:
        await prepare(stopping_engine, receiver)
        client = GuardedClient(allow_private=True, ports=None)
        dispatcher = Dispatcher(
            stopping_engine,
            Sender(client, VAULT.open, within=WITHIN),
            Turns(BOUNDS, time.monotonic),
            owner=uuid4().hex,
            within=WITHIN,
            schedule=(0.1,) * 10,
            wake=asyncio.Event(),
            longest_rest=0.1,
            lease=LEASE,
        )
        running = asyncio.create_task(dispatcher.run())
        await receiver.until_told(NTH, PATIENCE)
        await asyncio.to_thread(stopping.restart)
        await receiver.until(lambda: len(set(receiver.ids)) == DELIVERIES, PATIENCE)
        await until_all_delivered(stopping_engine)
        await dispatcher.stop()
        await running
        await client.close()

    assert await all_of(stopping_engine) == {"delivered": DELIVERIES}
    doubles(receiver, "Postgres restarted")
