"""Contract: `DELETE /api/v1/jobs/{id}`."""

import asyncio

import httpx
import pytest

from running.jobs import SET, Job, ended_job, quiet_job, read

MISSING = f"job_{'0' * 32}"


@pytest.fixture
async def finished(client: httpx.AsyncClient) -> Job:
    """A finished job of the test's own."""
    return await ended_job(client)


async def test_a_finished_job_is_gone_with_all_it_had(client: httpx.AsyncClient, finished: Job) -> None:
    here = finished["links"]["self"]

    answer = await client.delete(here)

    assert (answer.status_code, answer.content) == (204, b"")
    left = [await client.get(f"{here}{path}") for path in ("", "/events", "/history", "/results")]
    left.append(await client.post(f"{here}/cancel"))
    assert {(one.status_code, one.json()["code"]) for one in left} == {(404, "job_not_found")}


async def test_another_process_that_knew_the_job_is_told_of_its_end(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, finished: Job
) -> None:
    here = finished["links"]["self"]
    assert (await other_client.get(here)).status_code == 200

    await client.delete(here)

    async with asyncio.timeout(2):  # seconds; comparison would find it after three
        while (await other_client.get(here)).status_code != 404:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)


async def test_a_deleted_job_is_not_found_when_it_is_deleted_again(client: httpx.AsyncClient, finished: Job) -> None:
    answers = [await client.delete(finished["links"]["self"]) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 404]


async def test_of_many_who_delete_one_job_one_does(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, finished: Job
) -> None:
    here = finished["links"]["self"]

    answers = await asyncio.gather(*(asking.delete(here) for asking in [client, other_client] * 5))

    assert sorted(answer.status_code for answer in answers) == [204] + [404] * 9


async def test_an_unfinished_job_is_refused_and_stays(client: httpx.AsyncClient) -> None:
    job = (await quiet_job(client)).json()

    answer = await client.delete(job["links"]["self"])

    assert (answer.status_code, answer.json()["code"]) == (409, "job_unfinished")
    assert (await read(client, job)).json() == job


@pytest.mark.parametrize("job_id", [MISSING, "events_", "%F0%28%8C%28"])
async def test_a_job_that_is_not_there_is_not_found(client: httpx.AsyncClient, job_id: str) -> None:
    answer = await client.delete(f"{SET}/{job_id}")

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
