"""Contract: `POST /api/v1/jobs/{id}/cancel`."""

import asyncio

import httpx
import pytest

from running.events import open_events
from running.jobs import SET, Job, ended_job, read, submit, until_status, until_terminal

LONG = "in_progress 600s @50%, succeeded"
MISSING = f"job_{'0' * 32}"


async def cancel(client: httpx.AsyncClient, job: Job) -> httpx.Response:
    return await client.post(job["links"]["cancel"])


async def in_status(client: httpx.AsyncClient, script: str, status: str) -> Job:
    job = await submit(client, script)
    return (await until_status(client, job, status)).json()


async def test_a_job_in_progress_is_cancelling_at_once_and_cancelled_in_the_end(client: httpx.AsyncClient) -> None:
    job = await in_status(client, LONG, "in_progress")

    answer = await cancel(client, job)

    assert answer.status_code == 202
    assert (answer.json()["status"], answer.json()["terminal"]) == ("cancelling", False)
    assert (await until_terminal(client, job))["status"] == "cancelled"


async def test_the_answer_is_the_job_with_the_headers_of_a_poll(client: httpx.AsyncClient) -> None:
    job = await in_status(client, LONG, "in_progress")

    answer = await cancel(client, job)

    assert answer.json()["version"] > job["version"]
    assert answer.headers["etag"].startswith(f'W/"{answer.json()["version"]}-')
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["retry-after"] == answer.headers["x-poll-interval"]
    assert {"last-modified", "vary", "x-correlation-id", "x-api-version"} <= answer.headers.keys()


async def test_a_poll_after_the_answer_never_shows_an_older_version(client: httpx.AsyncClient) -> None:
    job = await in_status(client, LONG, "in_progress")

    cancelled = (await cancel(client, job)).json()

    assert (await read(client, job)).json()["version"] >= cancelled["version"]


async def test_cancelling_again_is_answered_alike_before_and_after_the_end(client: httpx.AsyncClient) -> None:
    job = await in_status(client, LONG, "in_progress")

    first, second = await cancel(client, job), await cancel(client, job)
    end = await until_terminal(client, job)
    third = await cancel(client, job)

    assert [answer.status_code for answer in (first, second, third)] == [202, 202, 202]
    assert third.json() == end
    assert "retry-after" not in third.headers


async def test_many_cancels_at_once_make_one_version(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    job = await in_status(client, LONG, "in_progress")

    answers = await asyncio.gather(*(cancel(asking, job) for asking in [client, other_client] * 10))

    assert {answer.status_code for answer in answers} == {202}
    await until_terminal(client, job)
    history = (await client.get(f"{job['links']['self']}/history")).json()["data"]
    assert [entry["status"] for entry in history].count("cancelling") == 1


async def test_a_job_that_is_being_finalized_can_still_be_cancelled(client: httpx.AsyncClient) -> None:
    job = await in_status(client, "in_progress 0.1s @50%, finalizing 600s, succeeded", "finalizing")

    answer = await cancel(client, job)

    assert (answer.status_code, answer.json()["status"]) == (202, "cancelling")


async def test_a_cancel_races_with_the_end_and_one_of_them_wins(client: httpx.AsyncClient) -> None:
    jobs = [await submit(client, "in_progress 0.3s @50%, succeeded") for _ in range(10)]

    answers = await asyncio.gather(*(cancel(client, job) for job in jobs))
    ends = [await until_terminal(client, job) for job in jobs]

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert {end["status"] for end in ends} <= {"cancelled", "succeeded"}
    assert [sum(list(end["progress"].values())[1:]) for end in ends] == [2] * 10


@pytest.mark.parametrize("status", ["succeeded", "failed", "expired"])
async def test_a_job_that_ended_otherwise_is_refused(client: httpx.AsyncClient, status: str) -> None:
    job = await ended_job(client, f"in_progress 0.05s, {status}")

    answer = await cancel(client, job)

    assert job["status"] == status
    assert (answer.status_code, answer.json()["code"]) == (409, "job_finished")
    assert (await read(client, job)).json() == job


@pytest.mark.parametrize("job_id", [MISSING, "job_", MISSING.upper(), "%00"])
async def test_a_job_that_is_not_there_is_not_found(client: httpx.AsyncClient, job_id: str) -> None:
    answer = await client.post(f"{SET}/{job_id}/cancel")

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


async def test_every_stream_is_told_of_the_cancel(client: httpx.AsyncClient, other_client: httpx.AsyncClient) -> None:
    job = await in_status(client, LONG, "in_progress")

    async with open_events(other_client, job["links"]["events"]) as stream:
        await stream.event()
        await cancel(client, job)
        statuses = [event.job["status"] for event in await stream.rest()]

    assert statuses == ["cancelling", "cancelled"]


async def test_what_the_job_did_before_is_in_its_results(client: httpx.AsyncClient) -> None:
    job = await in_status(client, "in_progress 600s @50%, succeeded", "in_progress")
    await cancel(client, job)
    end = await until_terminal(client, job)

    results = (await client.get(job["links"]["results"])).json()["data"]

    assert len(results) == 2
    outcomes = [result["outcome"] for result in results]
    assert (outcomes.count("completed"), outcomes.count("cancelled")) == (
        end["progress"]["completed"],
        end["progress"]["cancelled"],
    )
