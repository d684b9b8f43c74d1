"""Contract: Waiting (long poll), when a wait is answered and with what."""

import asyncio
from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest

from running.figures import figure, until_figure
from running.jobs import QUICK, Job, long_poll, read, submit, until_status

AT_ONCE = timedelta(seconds=2)  # far below every wait of these tests, far above a busy machine's hiccup
# At 10 % when it begins, at 60 % a second later, and no other change for ten minutes.
MOVES_ONCE = "in_progress 0.4s @10%, in_progress 600s @60%, succeeded"
MOVES_AND_ENDS = "in_progress 0.4s @10%, in_progress 1.5s @60%, succeeded"
STALE = 'W/"1-0000000000000000"'


async def test_a_wait_is_answered_as_soon_as_the_job_differs_from_the_tag(client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 1s @50%, succeeded")
    seen = await until_status(client, job, "in_progress")

    answer = await long_poll(client, job, 20, seen=seen.headers["etag"])

    assert answer.status_code == 200
    assert answer.json()["version"] > seen.json()["version"]
    assert answer.elapsed < timedelta(seconds=10)


async def test_a_waited_answer_is_dated_when_it_is_given(client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 2s @10%, in_progress 600s @60%, succeeded")
    seen = await until_status(client, job, "in_progress")

    answer = await long_poll(client, job, 20, seen=seen.headers["etag"])

    last_modified, date = (parsedate_to_datetime(answer.headers[name]) for name in ("last-modified", "date"))
    assert answer.status_code == 200
    assert last_modified <= date


async def test_a_wait_is_answered_at_once_where_the_job_differs_already(
    client: httpx.AsyncClient, active: httpx.Response
) -> None:
    answer = await long_poll(client, active.json(), 20, seen=STALE)

    assert answer.content == active.content
    assert answer.elapsed < AT_ONCE


async def test_a_wait_that_is_over_without_a_change_is_304(client: httpx.AsyncClient, active: httpx.Response) -> None:
    answer = await long_poll(client, active.json(), 1, seen=active.headers["etag"])

    assert answer.status_code == 304
    assert timedelta(seconds=0.9) < answer.elapsed < timedelta(seconds=5)


async def test_any_tag_never_waits(client: httpx.AsyncClient, quiet: Job) -> None:
    answer = await long_poll(client, quiet, 20, seen="*")

    assert answer.status_code == 304
    assert answer.elapsed < AT_ONCE


async def test_without_a_tag_a_wait_is_answered_at_the_next_change(client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 1s @50%, succeeded")
    present = await until_status(client, job, "in_progress")

    answer = await long_poll(client, job, 20)

    assert answer.status_code == 200
    assert answer.json()["version"] > present.json()["version"]


async def test_without_a_tag_a_wait_that_is_over_shows_the_present_state(
    client: httpx.AsyncClient, active: httpx.Response
) -> None:
    answer = await long_poll(client, active.json(), 1)

    assert answer.status_code == 200
    assert answer.content == active.content
    assert answer.elapsed > timedelta(seconds=0.9)


async def test_progress_alone_wakes_who_waits_for_a_change_but_not_who_waits_for_a_status(
    client: httpx.AsyncClient,
) -> None:
    job = await submit(client, MOVES_AND_ENDS, items=10)
    seen = (await until_status(client, job, "in_progress")).headers["etag"]

    changed, moved = await asyncio.gather(
        long_poll(client, job, 20, seen=seen), long_poll(client, job, 20, seen=seen, until="status")
    )

    assert (changed.json()["status"], changed.json()["progress"]["completed"]) == ("in_progress", 6)
    assert moved.json()["status"] in {"finalizing", "succeeded"}
    assert moved.json()["version"] > changed.json()["version"]


async def test_a_tag_that_only_progress_made_old_does_not_end_a_wait_for_a_status(
    client: httpx.AsyncClient,
) -> None:
    job = await submit(client, MOVES_ONCE, items=10)
    before = await until_status(client, job, "in_progress")
    progressed = await long_poll(client, job, 20, seen=before.headers["etag"])

    answer = await long_poll(client, job, 1, seen=before.headers["etag"], until="status")

    assert answer.elapsed > timedelta(seconds=0.9)
    # The time was over with a change that is not the one waited for: the present state.
    assert answer.status_code == 200
    assert answer.content == progressed.content


async def test_a_tag_from_before_the_present_status_ends_a_wait_for_a_status_at_once(
    client: httpx.AsyncClient,
) -> None:
    job = await submit(client, "queued 0.5s, in_progress 600s @50%, succeeded")
    before = await read(client, job)
    await until_status(client, job, "in_progress")

    answer = await long_poll(client, job, 20, seen=before.headers["etag"], until="status")

    assert answer.json()["status"] == "in_progress"
    assert answer.elapsed < AT_ONCE


@pytest.mark.parametrize("until", ["status", "terminal"])
async def test_a_wait_for_more_than_a_change_is_304_when_nothing_changed(
    client: httpx.AsyncClient, active: httpx.Response, until: str
) -> None:
    answer = await long_poll(client, active.json(), 1, seen=active.headers["etag"], until=until)

    assert answer.status_code == 304
    assert answer.elapsed > timedelta(seconds=0.9)


async def test_a_wait_for_the_end_sleeps_through_everything_else(client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 0.5s @50%, finalizing 0.3s, succeeded")

    answer = await long_poll(client, job, 20, until="terminal")

    assert answer.json()["status"] == "succeeded"


async def test_a_wait_for_the_end_that_is_over_after_other_changes_shows_the_present_state(
    client: httpx.AsyncClient,
) -> None:
    job = await submit(client, "queued 0.2s, in_progress 600s @50%, succeeded")
    first = await read(client, job)

    answer = await long_poll(client, job, 2, seen=first.headers["etag"], until="terminal")

    assert answer.status_code == 200
    assert answer.json()["status"] == "in_progress"
    assert answer.elapsed > timedelta(seconds=1.9)


@pytest.mark.parametrize("until", ["change", "status", "terminal"])
async def test_a_terminal_job_never_makes_anyone_wait(
    client: httpx.AsyncClient, final: httpx.Response, until: str
) -> None:
    unseen = await long_poll(client, final.json(), 20, until=until)
    seen = await long_poll(client, final.json(), 20, seen=final.headers["etag"], until=until)

    assert (unseen.status_code, seen.status_code) == (200, 304)
    assert max(unseen.elapsed, seen.elapsed) < AT_ONCE


async def test_head_waits_too(client: httpx.AsyncClient, active: httpx.Response) -> None:
    seen = {"If-None-Match": active.headers["etag"], "Prefer": "wait=1"}

    answer = await client.head(active.json()["links"]["self"], headers=seen)

    assert answer.status_code == 304
    assert answer.elapsed > timedelta(seconds=0.9)


async def test_everyone_who_waits_is_woken(client: httpx.AsyncClient, other_client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 1s @50%, succeeded")
    seen = (await until_status(client, job, "in_progress")).headers["etag"]

    asking = [client, other_client] * 15
    answers = await asyncio.gather(*(long_poll(one, job, 20, seen=seen, until="terminal") for one in asking))

    assert {answer.content for answer in answers} == {(await read(client, job)).content}


async def test_a_client_that_goes_away_frees_what_it_held(client: httpx.AsyncClient, active: httpx.Response) -> None:
    await until_figure(client, 0, "polling_held", transport="wait")
    waiting = asyncio.create_task(long_poll(client, active.json(), 30, seen=active.headers["etag"]))
    await until_figure(client, 1, "polling_held", transport="wait")

    waiting.cancel()

    await until_figure(client, 0, "polling_held", transport="wait")


async def test_an_answered_wait_holds_nothing(client: httpx.AsyncClient) -> None:
    job = await submit(client, QUICK)

    await long_poll(client, job, 20, until="terminal")

    await until_figure(client, 0, "polling_held", transport="wait")
    assert await figure(client, "polling_request_seconds_count", transport="wait", outcome="200") > 0


async def test_waiting_for_an_unknown_job_is_refused_at_once(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/api/v1/jobs/job_{'0' * 32}", params={"wait": 20})

    assert answer.status_code == 404
    assert answer.elapsed < AT_ONCE
