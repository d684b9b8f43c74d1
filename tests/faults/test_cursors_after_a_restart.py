"""A stream of many jobs is cut by the end of every worker; it goes on where it was, on another node, by its cursor."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from running.events import open_events
from running.jobs import QUIET, SET, submit, until_status, until_terminal
from running.service import Service, running_service

MANY = f"{SET}/events"


@pytest.fixture
async def service(postgres_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(postgres_url, redis_url, folder=tmp_path, workers=2) as running:
        yield running


async def test_a_cursor_resumes_after_a_restart_on_another_node_with_some_of_the_jobs_ended(service: Service) -> None:
    first, second = service.workers
    async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
        client.base_url = httpx.URL(first.url)
        ends, stays, leaves = [await submit(client, QUIET) for _ in range(3)]
        for job in (ends, stays, leaves):
            await until_status(client, job, "in_progress")
        ids = {"ids": ",".join(job["id"] for job in (ends, stays, leaves))}
        async with open_events(client, MANY, params=ids) as stream:
            seen = [await stream.event() for _ in range(3)]

            # One job ends and one is deleted while nobody listens, and then every worker dies.
            client.base_url = httpx.URL(second.url)
            first.kill()
            await first.ended()
            for job in (ends, leaves):
                await client.post(job["links"]["cancel"])
                await until_terminal(client, job)
            await client.delete(leaves["links"]["self"])
            second.kill()
            await second.ended()
        for worker in service.workers:
            await worker.start()
        await service.ready()

        client.base_url = httpx.URL(second.url)
        async with open_events(client, MANY, params=ids, last_event_id=seen[-1].id) as stream:
            missed = [await stream.event() for _ in range(3)]
            await client.post(stays["links"]["cancel"])
            rest = await stream.rest()

    told = [(event.event, event.job["id"], event.job["status"]) for event in missed]
    assert sorted(told, key=str) == sorted(
        [
            ("job", ends["id"], "cancelling"),
            ("job", ends["id"], "cancelled"),
            ("problem", leaves["id"], 404),
        ],
        key=str,
    )
    assert [(event.job["id"], event.job["status"]) for event in rest] == [
        (stays["id"], "cancelling"),
        (stays["id"], "cancelled"),
    ]
