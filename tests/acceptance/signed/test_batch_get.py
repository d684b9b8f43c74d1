"""Contract: `POST …/batch-get`, many jobs in one call, each conditional, and all of them perhaps waited for."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from polling_api.domain.job import new_job_id
from running.figures import until_figure
from running.jobs import ended_job, quiet_job, read, set_of, submit, until_terminal

AT_ONCE = timedelta(seconds=3)  # far below every wait of these tests, far above a busy machine's hiccup
STALE = 'W/"1-0000000000000000"'


async def batch_get(
    client: httpx.AsyncClient, *jobs: str | tuple[str, str], expected: int = 200, **options: Any
) -> httpx.Response:
    """Ask for jobs by their ids, or by pairs of an id and a tag."""
    wanted = [{"id": job} if isinstance(job, str) else {"id": job[0], "etag": job[1]} for job in jobs]
    answer = await client.post(f"{set_of(client)}/batch-get", json={"jobs": wanted, **options}, timeout=40)
    assert answer.status_code == expected, answer.text
    return answer


def seen(answer: httpx.Response) -> tuple[str, str]:
    """A job as a poll has shown it: its id and its tag."""
    return answer.json()["id"], answer.headers["etag"]


async def some_quiet(client: httpx.AsyncClient, number: int) -> list[tuple[str, str]]:
    return [seen(answer) for answer in await asyncio.gather(*(quiet_job(client) for _ in range(number)))]


async def cancel_once_held(client: httpx.AsyncClient, job_id: str) -> None:
    """Change a job as soon as one request is held open."""
    await until_figure(client, 1, "polling_held", transport="wait")
    assert (await client.post(f"{set_of(client)}/{job_id}/cancel")).status_code == 202


async def test_each_job_is_answered_in_its_place_as_a_poll_shows_it(asking: httpx.AsyncClient) -> None:
    shown, known = await quiet_job(asking), await quiet_job(asking)
    unknown = new_job_id()

    answer = await batch_get(asking, shown.json()["id"], unknown, seen(known), seen(shown))

    first, second, third, fourth = answer.json()["data"]
    assert first == {"id": shown.json()["id"], "status": 200, "etag": shown.headers["etag"], "job": shown.json()}
    assert second == {"id": unknown, "status": 404, "code": "job_not_found"}
    assert third == {"id": known.json()["id"], "status": 304}
    assert fourth == {"id": shown.json()["id"], "status": 304}
    assert (answer.json()["object"], answer.json()["waited"]) == ("list", 0)
    assert answer.headers["cache-control"] == "no-store"


async def test_the_tag_it_gives_is_the_polls(asking: httpx.AsyncClient, elsewhere: httpx.AsyncClient) -> None:
    ((job_id, _),) = await some_quiet(asking, 1)

    (told,) = (await batch_get(asking, job_id)).json()["data"]

    polled = await elsewhere.get(f"{set_of(elsewhere)}/{job_id}", headers={"If-None-Match": told["etag"]})
    assert polled.status_code == 304


async def test_one_change_answers_the_wait_with_one_body(asking: httpx.AsyncClient) -> None:
    jobs = await some_quiet(asking, 5)
    waiting = asyncio.create_task(batch_get(asking, *jobs, wait=20))
    await cancel_once_held(asking, jobs[2][0])

    answer = await waiting

    assert [told["status"] for told in answer.json()["data"]] == [304, 304, 200, 304, 304]
    assert answer.elapsed < timedelta(seconds=15)


async def test_a_job_that_differs_from_its_tag_is_answered_at_once(asking: httpx.AsyncClient) -> None:
    one, other = await some_quiet(asking, 2)

    answer = await batch_get(asking, one, (other[0], STALE), wait=20)

    assert [told["status"] for told in answer.json()["data"]] == [304, 200]
    assert answer.elapsed < AT_ONCE


async def test_a_job_without_a_tag_is_waited_for_and_shown_all_the_same(asking: httpx.AsyncClient) -> None:
    ((job_id, _),) = await some_quiet(asking, 1)

    answer = await batch_get(asking, job_id, wait=1)

    assert (answer.json()["data"][0]["status"], answer.json()["waited"]) == (200, 1)


async def test_a_wait_whose_time_is_over_is_answered_with_what_has_been_seen(asking: httpx.AsyncClient) -> None:
    jobs = await some_quiet(asking, 2)

    answer = await batch_get(asking, *jobs, wait=1)

    assert [told["status"] for told in answer.json()["data"]] == [304, 304]
    assert answer.json()["waited"] == 1


async def test_a_star_keeps_nobody_waiting(asking: httpx.AsyncClient) -> None:
    """As `If-None-Match: *` does on a poll: whatever there is counts as seen."""
    ((job_id, _),) = await some_quiet(asking, 1)

    answer = await batch_get(asking, (job_id, "*"), wait=20)

    assert (answer.json()["data"], answer.json()["waited"]) == ([{"id": job_id, "status": 304}], 0)
    assert answer.elapsed < AT_ONCE


async def test_a_change_of_a_job_with_a_star_does_not_end_the_wait_for_another(asking: httpx.AsyncClient) -> None:
    (job_id, _), other = await some_quiet(asking, 2)
    waiting = asyncio.create_task(batch_get(asking, (job_id, "*"), other, wait=20))
    await cancel_once_held(asking, job_id)
    await until_terminal(asking, {"id": job_id, "terminal": False, "links": {"self": f"{set_of(asking)}/{job_id}"}})
    await asking.post(f"{set_of(asking)}/{other[0]}/cancel")

    answer = await waiting

    assert [told["status"] for told in answer.json()["data"]] == [304, 200]


async def test_unknown_jobs_wake_nobody(asking: httpx.AsyncClient) -> None:
    (job,) = await some_quiet(asking, 1)

    answer = await batch_get(asking, new_job_id(), job, wait=1)

    assert [told["status"] for told in answer.json()["data"]] == [404, 304]
    assert answer.json()["waited"] == 1


async def test_where_all_are_unknown_or_have_ended_nothing_is_waited_for(asking: httpx.AsyncClient) -> None:
    ended = seen(await read(asking, await ended_job(asking)))

    answer = await batch_get(asking, new_job_id(), ended, wait=20)

    assert [told["status"] for told in answer.json()["data"]] == [404, 304]
    assert answer.elapsed < AT_ONCE


async def test_until_status_is_not_ended_by_progress(asking: httpx.AsyncClient) -> None:
    job = await submit(asking, "in_progress 0.6s @10%, in_progress 1.5s @60%, succeeded")
    first = await asking.get(job["links"]["self"], params={"wait": 20, "until": "status"})
    while first.json()["status"] != "in_progress":
        first = await asking.get(
            job["links"]["self"],
            params={"wait": 20, "until": "status"},
            headers={"If-None-Match": first.headers["etag"]},
        )

    answer = await batch_get(asking, seen(first), wait=20, until="status")

    assert answer.json()["data"][0]["job"]["status"] in {"finalizing", "succeeded"}


async def test_until_terminal_is_ended_by_the_first_end_and_not_by_one_that_was_seen(asking: httpx.AsyncClient) -> None:
    ended = seen(await read(asking, await ended_job(asking)))
    (quiet,) = await some_quiet(asking, 1)
    job = await submit(asking, "in_progress 1s @50%, succeeded")

    answer = await batch_get(asking, ended, quiet, job["id"], wait=20, until="terminal")

    statuses = [told["status"] for told in answer.json()["data"]]
    assert (statuses, answer.json()["data"][2]["job"]["terminal"]) == ([304, 304, 200], True)


async def test_until_all_terminal_waits_for_the_last_and_counts_the_unknown_as_ended(asking: httpx.AsyncClient) -> None:
    jobs = [await submit(asking, f"in_progress {seconds}s @50%, succeeded") for seconds in (0.3, 1.2)]

    answer = await batch_get(asking, new_job_id(), *(job["id"] for job in jobs), wait=20, until="all_terminal")

    unknown, *ended = answer.json()["data"]
    assert unknown["status"] == 404
    assert [told["job"]["terminal"] for told in ended] == [True, True]


async def test_a_change_at_another_node_is_news(asking: httpx.AsyncClient, elsewhere: httpx.AsyncClient) -> None:
    jobs = await some_quiet(asking, 2)
    waiting = asyncio.create_task(batch_get(elsewhere, *jobs, wait=20))
    await cancel_once_held(asking, jobs[0][0])

    answer = await waiting

    assert [told["status"] for told in answer.json()["data"]] == [200, 304]


async def test_only_the_named_fields_are_shown(asking: httpx.AsyncClient) -> None:
    shown = await quiet_job(asking)

    answer = await batch_get(asking, shown.json()["id"], fields=["progress.completed", "status", "error.code"])

    (told,) = answer.json()["data"]
    whole = shown.json()
    assert told["job"] == {
        "status": whole["status"],
        "progress": {"completed": whole["progress"]["completed"]},
        "error": None,
    }
    assert told["etag"] != shown.headers["etag"]
    again = await batch_get(asking, (told["id"], told["etag"]), fields=["status", "error.code", "progress.completed"])
    assert again.json()["data"] == [{"id": told["id"], "status": 304}]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"jobs": []}, "/jobs"),
        ({"jobs": [{"id": "a"}] * 101}, "/jobs"),
        ({}, "/jobs"),
        ({"jobs": [{"etag": "a"}]}, "/jobs/0/id"),
        ({"jobs": [{"id": "a", "more": 1}]}, "/jobs/0/more"),
        ({"jobs": [{"id": "a"}], "wait": -1}, "/wait"),
        ({"jobs": [{"id": "a"}], "wait": "1"}, "/wait"),
        ({"jobs": [{"id": "a"}], "until": "never"}, "/until"),
        ({"jobs": [{"id": "a"}], "fields": []}, "/fields"),
        ({"jobs": [{"id": "a"}], "fields": ["status", "progress.speed"]}, "/fields/1"),
        ({"jobs": [{"id": "a"}], "fields": ["progress."]}, "/fields/0"),
        ({"jobs": [{"id": "a" * 65}]}, "/jobs/0/id"),
    ],
)
async def test_a_body_that_breaks_a_rule_is_refused_and_the_place_is_named(
    asking: httpx.AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    answer = await asking.post(f"{set_of(asking)}/batch-get", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_wait_over_30_is_cut_and_not_refused(asking: httpx.AsyncClient) -> None:
    ended = await ended_job(asking)

    answer = await batch_get(asking, ended["id"], wait=100_000)

    assert answer.json()["data"][0]["status"] == 200


async def test_if_none_match_on_the_call_is_ignored(asking: httpx.AsyncClient) -> None:
    shown = await quiet_job(asking)

    answer = await asking.post(
        f"{set_of(asking)}/batch-get",
        json={"jobs": [{"id": shown.json()["id"]}]},
        headers={"If-None-Match": shown.headers["etag"]},
    )

    assert (answer.status_code, answer.json()["data"][0]["status"]) == (200, 200)


async def test_it_counts_as_one_request_for_each_20_jobs_begun(asking: httpx.AsyncClient) -> None:
    ended = await ended_job(asking)

    def left(answer: httpx.Response) -> int:
        return int(answer.headers["x-ratelimit-remaining"])

    first = left(await batch_get(asking, ended["id"]))
    twenty = left(await batch_get(asking, *[ended["id"]] * 20))
    more = left(await batch_get(asking, *[ended["id"]] * 41))
    assert (first - twenty, twenty - more) == (1, 3)


async def test_a_strangers_job_is_answered_as_a_missing_one(
    signer: httpx.AsyncClient, foreign_signer: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    ((job_id, tag),) = await some_quiet(signer, 1)

    answers = [await batch_get(one, (job_id, tag), wait=1) for one in (foreign_signer, client)]

    assert [answer.json()["data"] for answer in answers] == [
        [{"id": job_id, "status": 404, "code": "job_not_found"}]
    ] * 2


async def test_who_goes_away_frees_what_the_wait_held(client: httpx.AsyncClient) -> None:
    jobs = await some_quiet(client, 3)
    waiting = asyncio.create_task(batch_get(client, *jobs, wait=30))
    await until_figure(client, 1, "polling_held", transport="wait")

    waiting.cancel()

    await until_figure(client, 0, "polling_held", transport="wait")


async def test_a_finished_job_is_told_whole(asking: httpx.AsyncClient) -> None:
    job = await until_terminal(asking, await submit(asking))

    (told,) = (await batch_get(asking, job["id"])).json()["data"]

    assert told["job"] == (await read(asking, job)).json()
