"""A monitor's looks at very many active jobs: its CPU time, its statements, and how many it asks after at once.

The provider answers at once, within the program: what is counted is the monitor's own.
"""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, cast

import typer
import uvloop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from stand.counting import Till
from stand.figures import Kept, Line, Quick, tell
from stand.mover import moving
from stand.service import running_service

from polling_api.domain.advance import Observed
from polling_api.domain.job import Status
from polling_api.hub import Hub, LocalBus, LocalTransport
from polling_api.monitor.batch_monitor import MOST_CLAIMED
from polling_api.monitor.decision import Patience
from polling_api.monitor.ledger import Ledger, nothing, to_nobody
from polling_api.monitor.sweep import Sweep
from polling_api.providers.protocol import Batch, Provider
from polling_api.store.engine import connect

INTERVAL = 30.0  # seconds between two looks, as in production
LEASE = 60.0  # seconds: a sweep on a busy machine takes some
LISTED = 100  # batches on a page of a provider that lists: fewer at once would be a call for fewer
# As long after the last version as it takes for progress to make another.
_DUE = text(
    "UPDATE jobs SET upstream_id = 'batch_' || id, due_at = now(), lease_owner = NULL, "
    "updated_at = updated_at - interval '1 hour'"
)


class Swept(NamedTuple):
    """Seconds of CPU, statements of 1000 jobs, and batches asked after at once."""

    cpu: float
    statements: float
    asked: float


class Upstream:
    """A provider all of whose batches have as many items done as it is told."""

    name = "simulator"

    def __init__(self) -> None:
        self.completed = 0
        self.calls: list[int] = []

    async def observe(self, batch_ids: Sequence[str]) -> Mapping[str, Batch]:
        """See `Provider`."""
        observed = Observed(Status.IN_PROGRESS, completed=self.completed, failed=0)
        self.calls.append(len(batch_ids))
        return {batch_id: Batch(batch_id, None, observed) for batch_id in batch_ids}


def main(jobs: int = 10_000, rounds: int = 3, *, quick: Quick = False, json: Kept = None) -> None:
    """Measure so many jobs, looked at twice in each of so many rounds: nothing new of any, and something of all."""
    jobs, rounds = (2_000, 2) if quick else (jobs, rounds)
    tell(_lines(uvloop.run(_measure(jobs, rounds)), jobs), json)


async def _measure(jobs: int, rounds: int) -> Mapping[str, list[Swept]]:
    async with running_service({}, monitor=False) as stand, moving(stand) as mover, _engine(stand.database_url) as own:
        await mover.store(jobs)
        till, upstream = Till(stand.database_url), Upstream()
        await till.open()
        sweep = Sweeping(own, upstream, till)
        await sweep.over_all()  # the driver asks for the types of arrays once on each connection
        measured: dict[str, list[Swept]] = {"nothing new": [], "all changed": []}
        for _ in range(rounds):
            measured["nothing new"].append(await sweep.over_all())
            upstream.completed += 1
            measured["all changed"].append(await sweep.over_all())
        return measured


class Sweeping:
    """A monitor that looks when it is told to.

    Args:
        engine: the primary's.
        upstream: is asked.
        till: counts statements.
    """

    def __init__(self, engine: AsyncEngine, upstream: Upstream, till: Till) -> None:
        self._engine = engine
        self._upstream = upstream
        self._till = till
        hub = Hub(LocalTransport(LocalBus()))
        self._ledger = Ledger(
            engine,
            hub.publish,
            to_nobody,
            nothing,
            owner="sweeping",
            lease=LEASE,
            results_keep=LEASE,
            given_back=lambda _: None,
        )
        provider = cast("Provider", cast("Any", upstream))
        self._sweep = Sweep(self._ledger, provider, Patience(INTERVAL), nothing, lambda: 0.5, concurrency=1)

    async def over_all(self) -> Swept:
        """Look at all jobs, as if all were due."""
        async with self._engine.connect() as connection:
            await connection.execute(_DUE)
            await connection.commit()
        self._upstream.calls.clear()
        swept, before, began = 0, await self._till.statements(), time.process_time()
        while claimed := await self._ledger.claim(MOST_CLAIMED):
            swept += len(claimed)
            await self._sweep.look(claimed)
            await self._ledger.next_due()
        cpu, statements = time.process_time() - began, await self._till.statements() - before
        calls = self._upstream.calls
        return Swept(cpu, statements / swept * 1000, sum(calls) / len(calls))


@asynccontextmanager
async def _engine(url: str) -> AsyncGenerator[AsyncEngine]:
    engine = connect(
        url, pool_size=1, max_overflow=0, pool_timeout=10, statement_timeout=60, application_name="sweeping"
    )
    try:
        yield engine
    finally:
        await engine.dispose()


def _lines(measured: Mapping[str, list[Swept]], jobs: int) -> list[Line]:
    lines: list[Line] = []
    for what, rounds in measured.items():
        swept = f"a monitor sweeps {jobs:,} jobs, {what}"
        lines += [
            Line(what=f"{swept}: CPU", ours=[one.cpu for one in rounds], unit="s", must=5 * jobs / 10_000),
            Line(what=f"{swept}: SQL statements for 1,000", ours=[one.statements for one in rounds], must=12),
            Line(
                what=f"{swept}: jobs asked after at once", ours=[one.asked for one in rounds], must=LISTED, least=True
            ),
        ]
    return lines


if __name__ == "__main__":
    typer.run(main)
