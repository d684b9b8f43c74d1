"""Contract: what a node does with those it holds when it is told to end."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from running.asking import asking
from running.events import open_events
from running.figures import until_figure
from running.jobs import SET, batch, read, submit
from running.service import Service, running_service


@pytest.fixture
async def leaving(postgres_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A service over a database of its own without a monitor, so that its jobs stay as they are."""
    settings = {"drain_seconds": "2"}
    async with running_service(postgres_url, redis_url, folder=tmp_path, monitor=False, settings=settings) as running:
        yield running


async def test_a_node_that_is_told_to_end_lets_everyone_go_in_good_order(leaving: Service) -> None:
    async with asking(leaving.url, patience=40) as client:
        job = await submit(client)
        seen = {"If-None-Match": (await read(client, job)).headers["etag"], "Prefer": "wait=30"}
        waiting = asyncio.create_task(client.get(job["links"]["self"], headers=seen))
        submitting = asyncio.create_task(client.post(SET, json=batch(), headers={"Prefer": "wait=30"}))
        async with open_events(client, job["links"]["events"]) as stream:
            first = await stream.event()
            await until_figure(client, 2, "polling_held", transport="wait")

            leaving.kill(signal.SIGTERM)

            waited, submitted = await waiting, await submitting
            rest = await stream.rest()
        status = await leaving.workers[0].ended()

    # Waits are answered at once, and their connection is closed.
    assert (waited.status_code, submitted.status_code) == (304, 202)
    assert [one.headers["connection"] for one in (waited, submitted)] == ["close", "close"]
    assert submitted.headers["location"] == submitted.json()["links"]["self"]
    # A stream comes to its end, and says nothing that it did not know: its reader resumes elsewhere.
    assert first.version == 1
    assert rest == []
    # The process ends as the signal says.
    assert status in {-signal.SIGTERM, 128 + signal.SIGTERM}


async def test_until_the_last_stream_has_ended_who_comes_is_answered_and_told_to_go_elsewhere(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = {"drain_seconds": "4"}
    async with (
        running_service(postgres_url, redis_url, folder=tmp_path, monitor=False, settings=settings) as service,
        asking(service.url, patience=40) as client,
        AsyncExitStack() as stack,
    ):
        job = await submit(client)
        events = job["links"]["events"]
        streams = [await stack.enter_async_context(open_events(client, events)) for _ in range(3)]
        await until_figure(client, 3, "polling_held", transport="stream")

        service.kill(signal.SIGTERM)
        ending = [asyncio.create_task(stream.rest()) for stream in streams]
        _, others = await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        async with asking(service.url) as late:
            ready = await late.get("/health/ready")
            polled = await read(late, job)
            waited = await late.get(
                job["links"]["self"], headers={"If-None-Match": polled.headers["etag"], "Prefer": "wait=30"}
            )
            streamed = await late.get(events)
        status = await service.workers[0].ended()

    assert others
    assert (ready.status_code, ready.json()["status"]) == (503, "draining")
    assert [answer.status_code for answer in (polled, waited, streamed)] == [200, 304, 503]
    assert streamed.json()["code"] == "draining"
    assert status in {-signal.SIGTERM, 128 + signal.SIGTERM}
