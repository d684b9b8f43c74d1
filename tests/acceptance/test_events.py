"""Contract: Server-Sent Events (WHATWG HTML, section 9.2) of one job."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest

from running.events import Comment, Event, open_events
from running.figures import until_figure
from running.jobs import SET, Job, ended_job, read, submit, until_status

FIVE_STATUSES = ["queued", "submitting", "in_progress", "finalizing", "succeeded"]


async def all_of(client: httpx.AsyncClient, job: Job, *, last_event_id: str | int | None = None) -> Sequence[Event]:
    """Every event until the server closes."""
    async with open_events(client, job["links"]["events"], last_event_id=last_event_id) as stream:
        return await stream.rest()


async def test_a_stream_has_the_headers_that_keep_it_flowing(client: httpx.AsyncClient, quiet: Job) -> None:
    async with open_events(client, quiet["links"]["events"], headers={"Accept-Encoding": "gzip, br"}) as stream:
        headers = stream.response.headers

    assert stream.response.status_code == 200
    assert headers["content-type"].split(";")[0] == "text/event-stream"
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
    assert "content-encoding" not in headers
    assert "content-length" not in headers


async def test_the_first_event_is_the_present_state_as_the_poll_shows_it(client: httpx.AsyncClient, quiet: Job) -> None:
    polled = await read(client, quiet)

    async with open_events(client, quiet["links"]["events"]) as stream:
        first = await stream.event()

    assert (first.id, first.event) == (str(quiet["version"]), "job")
    assert first.data.encode() == polled.content


async def test_the_first_bytes_are_the_first_event_with_the_time_to_retry_in_its_block(
    client: httpx.AsyncClient, quiet: Job
) -> None:
    async with open_events(client, quiet["links"]["events"]) as stream:
        first = await stream.item()

    assert isinstance(first, Event)
    assert first.retry is not None
    assert stream.raw.startswith(b"retry: ")
    assert stream.raw.count(b"\n\n") == 1


async def test_the_time_to_retry_is_spread(client: httpx.AsyncClient, ended: Job) -> None:
    streams = [await all_of(client, ended) for _ in range(8)]

    assert len({events[0].retry for events in streams}) > 1


async def test_the_time_to_retry_is_said_once(client: httpx.AsyncClient) -> None:
    events = await all_of(client, await submit(client, "in_progress 0.3s @50%, succeeded"))

    assert [event.retry is not None for event in events] == [True] + [False] * (len(events) - 1)


async def test_a_silent_stream_gets_comments(client: httpx.AsyncClient, quiet: Job) -> None:
    async with open_events(client, quiet["links"]["events"]) as stream:
        items = [await stream.item() for _ in range(3)]

    assert [type(item) for item in items] == [Event, Comment, Comment]


@pytest.mark.parametrize("seen", [1, 2, 3, 4])
async def test_a_reconnect_gets_every_status_since_in_order_and_none_twice(
    client: httpx.AsyncClient, ended: Job, seen: int
) -> None:
    events = await all_of(client, ended, last_event_id=seen)

    assert [event.version for event in events] == [*range(seen + 1, 6)]
    assert [event.job["status"] for event in events] == FIVE_STATUSES[seen:]


async def test_a_replay_goes_over_into_what_is_live(client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 1s, finalizing 0.3s, succeeded")
    await until_status(client, job, "in_progress")

    events = await all_of(client, job, last_event_id=1)

    assert [event.version for event in events] == [2, 3, 4, 5]
    assert [event.job["status"] for event in events] == FIVE_STATUSES[1:]


async def test_a_replay_may_skip_progress_but_never_a_status(client: httpx.AsyncClient) -> None:
    job = await ended_job(client, "in_progress 0.4s @10%, in_progress 1.2s @60%, succeeded", items=10)

    events = await all_of(client, job, last_event_id=0)

    versions = [event.version for event in events]
    assert versions == sorted(set(versions))
    assert list(dict.fromkeys(event.job["status"] for event in events)) == FIVE_STATUSES


async def test_each_event_is_the_body_that_version_had(client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 1s @50%, succeeded")
    then = await until_status(client, job, "in_progress")

    events = await all_of(client, job, last_event_id=1)

    bodies = {event.version: event.data.encode() for event in events}
    assert bodies[then.json()["version"]] == then.content


async def test_a_replay_is_the_same_on_every_node(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, ended: Job
) -> None:
    here = await all_of(client, ended, last_event_id=1)
    there = await all_of(other_client, ended, last_event_id=1)

    assert [(event.id, event.data) for event in here] == [(event.id, event.data) for event in there]


async def test_a_reader_who_is_up_to_date_gets_nothing_but_a_comment(client: httpx.AsyncClient, quiet: Job) -> None:
    async with open_events(client, quiet["links"]["events"], last_event_id=quiet["version"]) as stream:
        first, second = await stream.item(), await stream.item()

    assert [type(item) for item in (first, second)] == [Comment, Comment]


async def test_a_reader_who_is_up_to_date_gets_the_next_change(client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 1s @50%, succeeded")
    present = await until_status(client, job, "in_progress")

    events = await all_of(client, job, last_event_id=present.json()["version"])

    assert [event.version for event in events] == [4, 5]
    assert events[0].retry is not None


async def test_the_last_event_id_may_stand_in_the_query(client: httpx.AsyncClient, ended: Job) -> None:
    async with open_events(client, ended["links"]["events"], params={"last_event_id": "3"}) as stream:
        events = await stream.rest()

    assert [event.version for event in events] == [4, 5]


async def test_the_header_wins_over_the_query(client: httpx.AsyncClient, ended: Job) -> None:
    query = {"last_event_id": "1"}
    async with open_events(client, ended["links"]["events"], last_event_id=4, params=query) as stream:
        events = await stream.rest()

    assert [event.version for event in events] == [5]


@pytest.mark.parametrize("last_event_id", ["abc", "-1", "1.5", "", "1 2", "99", "999999999", "9" * 40])
async def test_an_id_that_is_no_number_or_lies_in_the_future_is_ignored(
    client: httpx.AsyncClient, ended: Job, last_event_id: str
) -> None:
    events = await all_of(client, ended, last_event_id=last_event_id)

    assert [event.version for event in events] == [ended["version"]]


async def test_the_server_closes_after_the_terminal_event(client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 0.3s @50%, succeeded")

    events = await all_of(client, job)

    assert [event.job["terminal"] for event in events] == [False] * (len(events) - 1) + [True]


async def test_a_first_visit_to_a_finished_job_gets_its_event(client: httpx.AsyncClient, ended: Job) -> None:
    events = await all_of(client, ended)

    assert [event.job for event in events] == [ended]


async def test_a_reconnect_that_has_seen_the_end_gets_204(client: httpx.AsyncClient, ended: Job) -> None:
    seen = {"Last-Event-ID": str(ended["version"])}

    answer = await client.get(ended["links"]["events"], headers=seen)

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["cache-control"] == "no-store"


async def test_two_readers_get_the_same_bytes(client: httpx.AsyncClient, other_client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 1s @50%, succeeded")
    seen = (await until_status(client, job, "in_progress")).json()["version"]

    here, beside, there = await asyncio.gather(
        *(all_of(one, job, last_event_id=seen) for one in (client, client, other_client))
    )

    bodies = [[(event.id, event.event, event.data) for event in events] for events in (here, beside, there)]
    assert bodies[0] == bodies[1] == bodies[2]


async def test_head_says_what_get_would(client: httpx.AsyncClient, quiet: Job, ended: Job) -> None:
    open_stream = await client.head(quiet["links"]["events"])
    seen_the_end = await client.head(ended["links"]["events"], headers={"Last-Event-ID": str(ended["version"])})

    assert open_stream.status_code == 200
    assert open_stream.headers["content-type"].startswith("text/event-stream")
    assert seen_the_end.status_code == 204


async def test_events_of_an_unknown_job_are_a_plain_404(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{SET}/job_{'0' * 32}/events")

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


async def test_a_reader_who_goes_away_frees_what_it_held(client: httpx.AsyncClient, quiet: Job) -> None:
    await until_figure(client, 0, "polling_held", transport="stream")
    async with open_events(client, quiet["links"]["events"]) as stream:
        await stream.event()
        await until_figure(client, 1, "polling_held", transport="stream")

    await until_figure(client, 0, "polling_held", transport="stream")
