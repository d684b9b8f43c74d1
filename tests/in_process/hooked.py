"""Webhook endpoints and deliveries of tests, made as the API makes them."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.advance import Transition
from polling_api.domain.job import Job, Progress, Status, new_job_id
from polling_api.domain.webhook import Lane, new_endpoint_id
from polling_api.signing.vault import new_secret
from polling_api.store import jobs, leases, webhook_endpoints, webhook_leases, webhook_outcomes
from polling_api.store.engine import transaction
from polling_api.store.jobs import NewJob, NewRequest, NewWebhook
from polling_api.store.leases import Change
from polling_api.store.webhook_endpoints import EndpointRow, NewEndpoint
from polling_api.store.webhook_leases import Claimed
from polling_api.store.webhook_outcomes import Fate, Marked, Result
from polling_api.webhooks.outbound import destination_of
from running.keyholders import ENTRY, VAULT, make_client

TERMINAL, EVERY_STATUS = ("terminal",), ("terminal", "status")
RECEIVER = "https://hooks.example.org/in"
MONITOR = "monitor"
ITEMS = 2
WRITERS = 8  # at once


async def new_owner(engine: AsyncEngine) -> str:
    """A client that may have endpoints; its id."""
    return (await make_client(engine)).row.client_id


async def new_endpoint(
    engine: AsyncEngine, client_id: str, *, url: str = RECEIVER, events: Sequence[str] = TERMINAL
) -> EndpointRow:
    """An endpoint whose secret is sealed by the vault of tests."""
    endpoint_id = new_endpoint_id()
    new = NewEndpoint(
        id=endpoint_id,
        url=url,
        lane=str(Lane(client_id, destination_of(url).authority)),
        events=events,
        sealed=VAULT.seal(endpoint_id, new_secret()),
    )
    return await webhook_endpoints.make(engine, client_id, new, entry=ENTRY)


async def new_job(
    engine: AsyncEngine,
    client_id: str | None = None,
    *,
    own: Sequence[str] | None = None,
    url: str = RECEIVER,
    owner: str = "192.0.2.1",
) -> Job:
    """A job of two items, perhaps with a webhook of its own."""
    job_id = new_job_id()
    webhook = None
    if own is not None:
        lane = str(Lane(client_id or owner, destination_of(url).authority))
        webhook = NewWebhook(url, lane, tuple(own), VAULT.seal(job_id, new_secret()))
    new = NewJob(
        id=job_id,
        client_id=client_id,
        provider="simulator",
        endpoint="/v1/chat/completions",
        metadata={"colour": "blué"},
        total=ITEMS,
        expires_in=None,
        poll_after=1,
        webhook=webhook,
    )
    return (await jobs.create(engine, new, [NewRequest(f"item-{n}", "{}") for n in range(ITEMS)])).job


async def move(engine: AsyncEngine, present: Sequence[Job], status: Status, completed: int | None = None) -> list[Job]:
    """Write the next version of jobs as a monitor does, in the order given; those are claimed first."""
    await leases.claim(engine, owner=MONITOR, limit=1000, lease=600)
    done = (ITEMS if status.terminal else 0) if completed is None else completed
    changes = [
        Change(
            job_id=job.id,
            from_version=job.version,
            transition=Transition(status, Progress(ITEMS, completed=done)),
            poll_after=1,
            observed=True,
        )
        for job in present
    ]
    saved = await leases.save(engine, MONITOR, changes, results_keep=3600)
    order = [job.id for job in present]
    return sorted(saved, key=lambda job: order.index(job.id))


async def ended_jobs(engine: AsyncEngine, client_id: str, count: int) -> list[Job]:
    """So many jobs of a client that have succeeded."""
    writing = asyncio.Semaphore(WRITERS)

    async def made() -> Job:
        async with writing:
            return await new_job(engine, client_id)

    return await move(engine, await asyncio.gather(*(made() for _ in range(count))), Status.SUCCEEDED)


async def told(engine: AsyncEngine, job: Job | None = None) -> list[tuple[int, str, str]]:
    """Version, event and status of all deliveries, or of those of a job, in the order of versions."""
    query = "SELECT version, event, status FROM webhook_deliveries WHERE :id IN ('', job_id) ORDER BY version, target"
    async with transaction(engine) as connection:
        rows = await connection.execute(text(query), {"id": job.id if job else ""})
        return [(row.version, row.event, row.status) for row in rows]


async def claim_all(engine: AsyncEngine, owner: str = "d", *, most: int = 100, lease: float = 60) -> list[Claimed]:
    """Claim what is due in every lane."""
    lanes = await webhook_leases.waiting(engine, after="", most_lanes=1000, most_due=most)
    return await webhook_leases.claim(engine, owner, [(one.lane, most) for one in lanes], lease=lease)


async def mark(engine: AsyncEngine, claimed: Claimed, fate: Fate, *, owner: str = "d", **more: Any) -> list[Marked]:
    """Write what came of a delivery."""
    result = Result(delivery_id=claimed.id, lane=claimed.lane, fate=fate, **more)
    return await webhook_outcomes.mark(engine, owner, [result])
