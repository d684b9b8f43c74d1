"""Contract: with `?refusals=stream` an EventSource lives through a `429` or `503`, and gives up where that is right."""

from contextlib import AsyncExitStack

import httpx
import pytest
from tests.acceptance.limits.conftest import BURST, HELD

from polling_api.domain.job import new_job_id
from running.events import Event, open_events
from running.jobs import SET, SIGNED_SET, Job

IN_STREAM = {"refusals": "stream"}


async def told(client: httpx.AsyncClient, path: str) -> tuple[httpx.Response, Event]:
    """The answer, and the only event in it."""
    async with open_events(client, path, params=IN_STREAM) as stream:
        events = await stream.rest()
    assert len(events) == 1
    return stream.response, events[0]


async def test_what_is_held_too_much_is_refused_in_a_stream(somebody: httpx.AsyncClient, job: Job) -> None:
    path = job["links"]["events"]
    async with AsyncExitStack() as stack:
        for _ in range(HELD):
            await stack.enter_async_context(open_events(somebody, path))
        answer, event = await told(somebody, path)
        plain = await somebody.get(path)

    assert plain.status_code == 429
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert "x-ratelimit-remaining" in answer.headers
    assert event.event == "problem"
    assert (event.job["code"], event.job["status"]) == ("too_many_streams", 429)
    assert event.retry is not None
    assert event.job["retry_after"] * 1000 <= event.retry <= event.job["retry_after"] * 1000 + 1000


@pytest.mark.parametrize("path", [f"{SET}/{{id}}/events", f"{SET}/events?ids={{id}}"])
async def test_so_is_what_is_asked_too_often(somebody: httpx.AsyncClient, job: Job, path: str) -> None:
    path = path.format(id=job["id"]) + ("&" if "?" in path else "?") + "refusals=stream"
    for _ in range(BURST):
        await somebody.head(f"{SET}/{job['id']}/events")

    # Streams of many jobs count in the hour alone, which is used up by now; or will be.
    events = list[Event]()
    for _ in range(40):
        async with open_events(somebody, path) as stream:
            first = await stream.event()
            if first.event == "problem":
                events = [first, *await stream.rest()]
                break

    assert [event.job["code"] for event in events] == ["rate_limited"]


async def test_what_will_not_pass_is_refused_plainly(somebody: httpx.AsyncClient) -> None:
    missing = await somebody.get(f"{SET}/{new_job_id()}/events", params=IN_STREAM)
    unsigned = await somebody.get(f"{SIGNED_SET}/events", params=IN_STREAM)

    assert (missing.status_code, missing.json()["code"]) == (404, "job_not_found")
    assert unsigned.status_code == 401


async def test_no_other_answer_comes_in_a_stream(somebody: httpx.AsyncClient, job: Job) -> None:
    for _ in range(BURST):
        await somebody.get(job["links"]["self"], params=IN_STREAM)

    refused = await somebody.get(job["links"]["self"], params=IN_STREAM)

    assert refused.status_code == 429
