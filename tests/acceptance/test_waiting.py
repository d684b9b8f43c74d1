"""Contract: Waiting (long poll)."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from running.figures import figure, until_figure
from running.jobs import QUICK, Job, ended_job, quiet_job, read, submit, until_status

AT_ONCE = timedelta(seconds=2)  # far below every wait of these tests, far above a busy machine's hiccup
# At 10 % when it begins, at 60 % a second later, and no other change for ten minutes.
MOVES_ONCE = "in_progress 0.4s @10%, in_progress 600s @60%, succeeded"
MOVES_AND_ENDS = "in_progress 0.4s @10%, in_progress 1.5s @60%, succeeded"
STALE = 'W/"1-0000000000000000"'


@pytest.fixture(scope="module")
async def quiet(client: httpx.AsyncClient) -> httpx.Response:
    """The `200` that shows a job which does not change."""
    return await quiet_job(client)


@pytest.fixture(scope="module")
async def ended(client: httpx.AsyncClient) -> httpx.Response:
    """The `200` that shows a job which has ended."""
    return await read(client, await ended_job(client))


async def wait(
    client: httpx.AsyncClient, job: Job, seconds: int, *, seen: str | None = None, until: str = "change"
) -> httpx.Response:
    """One long poll, with the tag of what was seen."""
    headers = {} if seen is None else {"If-None-Match": seen}
    return await client.get(
        job["links"]["self"], params={"wait": seconds, "until": until}, headers=headers, timeout=seconds + 10
    )


@pytest.mark.parametrize("prefer", ["wait=7", "Wait=7", 'wait="7"', "respond-async, wait=7", "wait=7; x=y", "wait = 7"])
async def test_a_wait_is_asked_for_by_prefer(client: httpx.AsyncClient, ended: httpx.Response, prefer: str) -> None:
    answer = await client.get(ended.json()["links"]["self"], headers={"Prefer": prefer})

    assert answer.headers["preference-applied"] == "wait=7"


async def test_a_wait_is_asked_for_by_query(client: httpx.AsyncClient, ended: httpx.Response) -> None:
    answer = await wait(client, ended.json(), 7)

    assert answer.headers["preference-applied"] == "wait=7"


async def test_the_query_wins_over_prefer(client: httpx.AsyncClient, quiet: httpx.Response) -> None:
    answer = await client.get(quiet.json()["links"]["self"], params={"wait": 0}, headers={"Prefer": "wait=20"})

    assert answer.headers["preference-applied"] == "wait=0"
    assert answer.elapsed < AT_ONCE


@pytest.mark.parametrize("asked", [31, 3600, 999_999_999])
async def test_a_longer_wait_is_cut_to_30_seconds(client: httpx.AsyncClient, ended: httpx.Response, asked: int) -> None:
    by_query = await client.get(ended.json()["links"]["self"], params={"wait": asked})
    by_header = await client.get(ended.json()["links"]["self"], headers={"Prefer": f"wait={asked}"})

    assert by_query.headers["preference-applied"] == "wait=30"
    assert by_header.headers["preference-applied"] == "wait=30"


async def test_what_was_granted_is_said_also_when_it_is_nothing(
    client: httpx.AsyncClient, quiet: httpx.Response
) -> None:
    answer = await wait(client, quiet.json(), 0)

    assert answer.headers["preference-applied"] == "wait=0"
    assert answer.status_code == 200


@pytest.mark.parametrize("prefer", ["wait", "wait=", "wait=soon", "wait=-1", "wait=1.5", "await=9", "=,;", ""])
async def test_a_bad_prefer_is_ignored(client: httpx.AsyncClient, quiet: httpx.Response, prefer: str) -> None:
    answer = await client.get(quiet.json()["links"]["self"], headers={"Prefer": prefer})

    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers
    assert answer.headers["cache-control"] == "private, max-age=30"


@pytest.mark.parametrize("query", ["wait=soon", "wait=-1", "wait=1.5", "wait=", "wait=1&wait=2", "wait=%0a5", "wait=٣"])
async def test_a_bad_wait_is_refused_and_named(client: httpx.AsyncClient, quiet: httpx.Response, query: str) -> None:
    answer = await client.get(f"{quiet.json()['links']['self']}?{query}")

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["?wait"]


@pytest.mark.parametrize("query", ["until=never", "until=", "until=change&until=status", "wait=5&until=Terminal"])
async def test_a_bad_until_is_refused_and_named(client: httpx.AsyncClient, quiet: httpx.Response, query: str) -> None:
    answer = await client.get(f"{quiet.json()['links']['self']}?{query}")

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["?until"]


async def test_a_wait_is_answered_as_soon_as_the_job_differs_from_the_tag(client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 1s @50%, succeeded")
    seen = await until_status(client, job, "in_progress")

    answer = await wait(client, job, 20, seen=seen.headers["etag"])

    assert answer.status_code == 200
    assert answer.json()["version"] > seen.json()["version"]
    assert answer.elapsed < timedelta(seconds=10)


async def test_a_wait_is_answered_at_once_where_the_job_differs_already(
    client: httpx.AsyncClient, quiet: httpx.Response
) -> None:
    answer = await wait(client, quiet.json(), 20, seen=STALE)

    assert answer.content == quiet.content
    assert answer.elapsed < AT_ONCE


async def test_a_wait_that_is_over_without_a_change_is_304(client: httpx.AsyncClient, quiet: httpx.Response) -> None:
    answer = await wait(client, quiet.json(), 1, seen=quiet.headers["etag"])

    assert answer.status_code == 304
    assert timedelta(seconds=0.9) < answer.elapsed < timedelta(seconds=5)


async def test_any_tag_never_waits(client: httpx.AsyncClient, quiet: httpx.Response) -> None:
    answer = await wait(client, quiet.json(), 20, seen="*")

    assert answer.status_code == 304
    assert answer.elapsed < AT_ONCE


async def test_without_a_tag_a_wait_is_answered_at_the_next_change(client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 1s @50%, succeeded")
    present = await until_status(client, job, "in_progress")

    answer = await wait(client, job, 20)

    assert answer.status_code == 200
    assert answer.json()["version"] > present.json()["version"]


async def test_without_a_tag_a_wait_that_is_over_shows_the_present_state(
    client: httpx.AsyncClient, quiet: httpx.Response
) -> None:
    answer = await wait(client, quiet.json(), 1)

    assert answer.status_code == 200
    assert answer.content == quiet.content
    assert answer.elapsed > timedelta(seconds=0.9)


async def test_progress_alone_wakes_who_waits_for_a_change_but_not_who_waits_for_a_status(
    client: httpx.AsyncClient,
) -> None:
    job = await submit(client, MOVES_AND_ENDS, items=10)
    seen = (await until_status(client, job, "in_progress")).headers["etag"]

    changed, moved = await asyncio.gather(
        wait(client, job, 20, seen=seen), wait(client, job, 20, seen=seen, until="status")
    )

    assert (changed.json()["status"], changed.json()["progress"]["completed"]) == ("in_progress", 6)
    assert moved.json()["status"] in {"finalizing", "succeeded"}
    assert moved.json()["version"] > changed.json()["version"]


async def test_a_tag_that_only_progress_made_old_does_not_end_a_wait_for_a_status(
    client: httpx.AsyncClient,
) -> None:
    job = await submit(client, MOVES_ONCE, items=10)
    before = await until_status(client, job, "in_progress")
    progressed = await wait(client, job, 20, seen=before.headers["etag"])

    answer = await wait(client, job, 1, seen=before.headers["etag"], until="status")

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

    answer = await wait(client, job, 20, seen=before.headers["etag"], until="status")

    assert answer.json()["status"] == "in_progress"
    assert answer.elapsed < AT_ONCE


@pytest.mark.parametrize("until", ["status", "terminal"])
async def test_a_wait_for_more_than_a_change_is_304_when_nothing_changed(
    client: httpx.AsyncClient, quiet: httpx.Response, until: str
) -> None:
    answer = await wait(client, quiet.json(), 1, seen=quiet.headers["etag"], until=until)

    assert answer.status_code == 304
    assert answer.elapsed > timedelta(seconds=0.9)


async def test_a_wait_for_the_end_sleeps_through_everything_else(client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 0.5s @50%, finalizing 0.3s, succeeded")

    answer = await wait(client, job, 20, until="terminal")

    assert answer.json()["status"] == "succeeded"


async def test_a_wait_for_the_end_that_is_over_after_other_changes_shows_the_present_state(
    client: httpx.AsyncClient,
) -> None:
    job = await submit(client, "queued 0.2s, in_progress 600s @50%, succeeded")
    first = await read(client, job)

    answer = await wait(client, job, 2, seen=first.headers["etag"], until="terminal")

    assert answer.status_code == 200
    assert answer.json()["status"] == "in_progress"
    assert answer.elapsed > timedelta(seconds=1.9)


@pytest.mark.parametrize("until", ["change", "status", "terminal"])
async def test_a_terminal_job_never_makes_anyone_wait(
    client: httpx.AsyncClient, ended: httpx.Response, until: str
) -> None:
    unseen = await wait(client, ended.json(), 20, until=until)
    seen = await wait(client, ended.json(), 20, seen=ended.headers["etag"], until=until)

    assert (unseen.status_code, seen.status_code) == (200, 304)
    assert max(unseen.elapsed, seen.elapsed) < AT_ONCE


async def test_head_waits_too(client: httpx.AsyncClient, quiet: httpx.Response) -> None:
    seen = {"If-None-Match": quiet.headers["etag"], "Prefer": "wait=1"}

    answer = await client.head(quiet.json()["links"]["self"], headers=seen)

    assert answer.status_code == 304
    assert answer.elapsed > timedelta(seconds=0.9)


async def test_everyone_who_waits_is_woken(client: httpx.AsyncClient, other_client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 1s @50%, succeeded")
    seen = (await until_status(client, job, "in_progress")).headers["etag"]

    asking = [client, other_client] * 15
    answers = await asyncio.gather(*(wait(one, job, 20, seen=seen, until="terminal") for one in asking))

    assert {answer.content for answer in answers} == {(await read(client, job)).content}


async def test_a_client_that_goes_away_frees_what_it_held(client: httpx.AsyncClient, quiet: httpx.Response) -> None:
    await until_figure(client, 0, "polling_held", transport="wait")
    waiting = asyncio.create_task(wait(client, quiet.json(), 30, seen=quiet.headers["etag"]))
    await until_figure(client, 1, "polling_held", transport="wait")

    waiting.cancel()

    await until_figure(client, 0, "polling_held", transport="wait")


async def test_an_answered_wait_holds_nothing(client: httpx.AsyncClient) -> None:
    job = await submit(client, QUICK)

    await wait(client, job, 20, until="terminal")

    await until_figure(client, 0, "polling_held", transport="wait")
    assert await figure(client, "polling_request_seconds_count", transport="wait", outcome="200") > 0


async def test_waiting_for_an_unknown_job_is_refused_at_once(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/api/v1/jobs/job_{'0' * 32}", params={"wait": 20})

    assert answer.status_code == 404
    assert answer.elapsed < AT_ONCE
