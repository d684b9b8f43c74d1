"""Contract: `GET /api/v1/jobs/events?ids=`, the Server-Sent Events of many jobs on one stream."""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

import httpx
import pytest

from polling_api.api.cursors import Cursors
from polling_api.domain.job import new_job_id
from running.events import Comment, Event, open_events
from running.figures import until_figure
from running.jobs import QUICK, QUIET, SET, Job, ended_job, read, submit, until_status, until_terminal
from running.service import MASTER_KEY

MANY = f"{SET}/events"
FIVE_STATUSES = ["queued", "submitting", "in_progress", "finalizing", "succeeded"]


def ids_of(*jobs: Job) -> dict[str, str]:
    return {"ids": ",".join(job["id"] for job in jobs)}


def versions_by_job(events: Sequence[Event]) -> dict[str, list[int]]:
    """The versions told of each job, in the order in which they were told."""
    told = sorted(
        ((event.job["id"], event.job["version"]) for event in events if event.event == "job"), key=itemgetter(0)
    )
    return {job_id: [version for _, version in group] for job_id, group in groupby(told, itemgetter(0))}


async def all_of(client: httpx.AsyncClient, *jobs: Job, last_event_id: str | None = None) -> Sequence[Event]:
    """Every event until the server closes."""
    async with open_events(client, MANY, params=ids_of(*jobs), last_event_id=last_event_id) as stream:
        assert stream.response.status_code == 200
        return await stream.rest()


async def test_each_jobs_present_state_comes_first_as_the_poll_shows_it(
    client: httpx.AsyncClient, quiet: Job, ended: Job
) -> None:
    polled = [(await read(client, job)).content for job in (ended, quiet)]

    async with open_events(client, MANY, params=ids_of(ended, quiet)) as stream:
        events = [await stream.event() for _ in range(2)]

    assert [event.event for event in events] == ["job", "job"]
    assert [event.data.encode() for event in events] == polled


async def test_it_has_the_headers_that_keep_it_flowing(client: httpx.AsyncClient, quiet: Job) -> None:
    async with open_events(client, MANY, params=ids_of(quiet), headers={"Accept-Encoding": "gzip"}) as stream:
        headers = stream.response.headers

    assert headers["content-type"].split(";")[0] == "text/event-stream"
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
    assert "content-encoding" not in headers


async def test_the_time_to_retry_is_in_the_first_events_block_alone(
    client: httpx.AsyncClient, quiet: Job, ended: Job
) -> None:
    async with open_events(client, MANY, params=ids_of(quiet, ended)) as stream:
        events = [await stream.event() for _ in range(2)]

    assert stream.raw.startswith(b"retry: ")
    assert [event.retry is not None for event in events] == [True, False]


async def test_a_silent_stream_gets_comments(client: httpx.AsyncClient, quiet: Job) -> None:
    async with open_events(client, MANY, params=ids_of(quiet)) as stream:
        items = [await stream.item() for _ in range(3)]

    assert [type(item) for item in items] == [Event, Comment, Comment]


async def test_it_follows_all_jobs_and_ends_when_all_have_ended(client: httpx.AsyncClient) -> None:
    jobs = [await submit(client, f"in_progress {seconds}s @50%, succeeded") for seconds in (0.2, 0.6, 1.0)]

    events = await all_of(client, *jobs)

    told = versions_by_job(events)
    assert told.keys() == {job["id"] for job in jobs}
    assert all(versions == sorted(set(versions)) for versions in told.values())
    ends = {event.job["id"]: event.job["status"] for event in events}
    assert set(ends.values()) == {"succeeded"}


async def test_a_hundred_jobs_fit_on_one_stream(client: httpx.AsyncClient) -> None:
    jobs = [await submit(client, QUICK, items=1) for _ in range(100)]

    events = await all_of(client, *jobs)

    assert {event.job["id"] for event in events if event.job["terminal"]} == {job["id"] for job in jobs}


async def test_the_id_is_opaque_and_the_version_is_in_the_data(client: httpx.AsyncClient, ended: Job) -> None:
    [event] = await all_of(client, ended)

    assert not event.id.isdecimal()
    assert event.job["version"] == ended["version"]


async def test_a_reconnect_goes_on_after_the_cursor_on_another_node(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    first, second = [await submit(client, QUIET), await submit(client, QUIET)]
    await asyncio.gather(*(until_status(client, job, "in_progress") for job in (first, second)))
    async with open_events(client, MANY, params=ids_of(first, second)) as stream:
        seen = [await stream.event() for _ in range(2)]

    await client.post(first["links"]["cancel"])
    await until_terminal(client, first)
    async with open_events(other_client, MANY, params=ids_of(second, first), last_event_id=seen[-1].id) as stream:
        missed = [await stream.event() for _ in range(2)]

    assert [event.job["id"] for event in missed] == [first["id"]] * 2
    assert [event.job["status"] for event in missed] == ["cancelling", "cancelled"]


async def test_cut_after_any_event_a_reconnect_gets_every_status_and_none_twice(client: httpx.AsyncClient) -> None:
    jobs = [await submit(client, f"in_progress 0.{tenths}s @50%, finalizing 0.2s, succeeded") for tenths in (3, 5)]
    live = await all_of(client, *jobs)

    resumed = [await all_of(client, *jobs, last_event_id=event.id) for event in live[:-1]]

    for place, events in enumerate(resumed, start=1):
        told = versions_by_job([*live[:place], *events])
        assert told == {job["id"]: sorted(set(told[job["id"]])) for job in jobs}
        statuses = [event.job["status"] for event in [*live[:place], *events] if event.job["id"] == jobs[1]["id"]]
        assert list(dict.fromkeys(statuses)) == FIVE_STATUSES[FIVE_STATUSES.index(statuses[0]) :]


async def test_the_cursor_may_stand_in_the_query_and_the_header_wins(client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 0.3s @50%, succeeded")
    live = await all_of(client, job)
    cursors = {**ids_of(job), "last_event_id": live[0].id}

    async with open_events(client, MANY, params=cursors) as stream:
        by_query = await stream.rest()
    async with open_events(client, MANY, params=cursors, last_event_id=live[-2].id) as stream:
        by_header = await stream.rest()

    assert [event.job["status"] for event in by_query] == FIVE_STATUSES[-len(by_query) :]
    assert by_query[-1].job == live[-1].job
    assert [event.job for event in by_header] == [live[-1].job]


async def test_a_reconnect_that_has_seen_every_end_gets_204(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, ended: Job
) -> None:
    jobs = [ended, await ended_job(client)]
    events = await all_of(client, *jobs)

    answer = await other_client.get(MANY, params=ids_of(*jobs), headers={"Last-Event-ID": events[-1].id})

    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_first_visit_to_finished_jobs_gets_their_events(client: httpx.AsyncClient, ended: Job) -> None:
    events = await all_of(client, ended)

    assert [event.job for event in events] == [ended]


@pytest.mark.parametrize("cursor", ["7", "nonsense", "WzVd.AAAA", "\xff"])
async def test_what_is_no_cursor_is_ignored(client: httpx.AsyncClient, ended: Job, cursor: str) -> None:
    answer = await client.get(MANY, params=ids_of(ended), headers=[(b"Last-Event-ID", cursor.encode("latin-1"))])

    assert answer.status_code == 200
    assert answer.text.count("event: job") == 1


@pytest.mark.parametrize("version", [99, 0, -1], ids=["from the future", "of nothing", "of a job that was not there"])
async def test_a_version_that_the_job_does_not_have_is_ignored(
    client: httpx.AsyncClient, quiet: Job, version: int
) -> None:
    """A failover may have lost it, or brought the job back."""
    cursor = Cursors([MASTER_KEY]).bound_to("events", quiet["id"]).at([version])

    async with open_events(client, MANY, params=ids_of(quiet), last_event_id=cursor) as stream:
        first = await stream.event()

    assert first.job == quiet


async def test_a_cursor_of_other_jobs_is_ignored(client: httpx.AsyncClient, ended: Job) -> None:
    [other] = await all_of(client, await ended_job(client))

    events = await all_of(client, ended, last_event_id=other.id)

    assert [event.job for event in events] == [ended]


async def test_an_unknown_id_among_others_is_told_by_a_problem_that_names_it(
    client: httpx.AsyncClient, ended: Job
) -> None:
    unknown = new_job_id()

    events = await all_of(client, {"id": unknown}, ended, {"id": "no-id-at-all"})

    problems = {event.job["id"]: event.job for event in events if event.event == "problem"}
    assert problems.keys() == {unknown, "no-id-at-all"}
    assert problems[unknown]["code"] == "job_not_found"
    assert problems[unknown]["status"] == 404
    assert problems[unknown]["instance"] == f"{SET}/{unknown}"
    assert [event.job for event in events if event.event == "job"] == [ended]


async def test_an_unknown_id_is_told_once(client: httpx.AsyncClient, ended: Job) -> None:
    asked = (ended, {"id": new_job_id()})
    events = await all_of(client, *asked)

    answer = await client.get(MANY, params=ids_of(*asked), headers={"Last-Event-ID": events[-1].id})

    assert answer.status_code == 204


@pytest.mark.parametrize("ids", [f"job_{'0' * 32}", f"job_{'0' * 32},job_{'1' * 32}", "job_", "%00,%20%2F"])
async def test_unknown_ids_alone_are_not_found(client: httpx.AsyncClient, ids: str) -> None:
    answer = await client.get(f"{MANY}?ids={ids}")

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


async def test_an_id_that_stands_twice_is_told_once(client: httpx.AsyncClient, ended: Job) -> None:
    events = await all_of(client, ended, ended)

    assert len(events) == 1


@pytest.mark.parametrize(
    "query",
    ["", "?ids=", "?ids=,,", "?ids=a&ids=b", "?ids=" + ",".join(f"job_{number:032x}" for number in range(101))],
    ids=["no ids", "empty", "commas alone", "given twice", "101"],
)
async def test_no_ids_or_too_many_are_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(MANY + query)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["pointer"] == "?ids"


async def test_a_hundred_ids_may_stand_twice_each(client: httpx.AsyncClient, ended: Job) -> None:
    ids = [ended["id"], *(f"job_{number:032x}" for number in range(99))]

    answer = await client.get(MANY, params={"ids": ",".join(ids + ids)})

    assert answer.status_code == 200
    assert answer.text.count("event: problem") == 99


async def test_head_has_the_headers_and_no_body(client: httpx.AsyncClient, quiet: Job) -> None:
    answer = await client.head(MANY, params=ids_of(quiet))

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_a_client_that_goes_away_frees_the_stream(client: httpx.AsyncClient, quiet: Job) -> None:
    async with open_events(client, MANY, params=ids_of(quiet)) as stream:
        await stream.event()
        await until_figure(client, 1, "polling_held", transport="stream")

    await until_figure(client, 0, "polling_held", transport="stream")
