"""The same request again and again over one connection, which is read once: it is answered each time."""

import secrets

import httpx
import pytest

from running.jobs import Job

TIMES = 4  # it is known from the third time on


async def repeated(client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> list[httpx.Response]:
    return [await client.get(url, headers=headers) for _ in range(TIMES)]


@pytest.mark.parametrize("way", ["self", "events", "results"])
async def test_what_a_finished_job_is_asked_for_it_answers_each_time(
    client: httpx.AsyncClient, ended: Job, way: str
) -> None:
    answers = await repeated(client, ended["links"][way], {})

    assert [answer.status_code for answer in answers] == [200] * TIMES
    assert len({answer.content.partition(b"id: ")[2] for answer in answers}) == 1  # but for a stream's `retry:`


async def test_a_wait_is_held_each_time(client: httpx.AsyncClient, active: httpx.Response) -> None:
    seen = {"If-None-Match": active.headers["etag"], "Prefer": "wait=1"}

    answers = await repeated(client, active.json()["links"]["self"], seen)

    assert [answer.status_code for answer in answers] == [304] * TIMES
    assert [answer.headers["preference-applied"] for answer in answers] == ["wait=1"] * TIMES


async def test_what_is_not_there_is_looked_for_in_a_task_too(client: httpx.AsyncClient) -> None:
    answers = await repeated(client, f"/api/v1/jobs/job_{secrets.token_hex(16)}", {})

    assert [answer.json()["code"] for answer in answers] == ["job_not_found"] * TIMES


async def test_what_breaks_a_rule_is_refused_each_time(client: httpx.AsyncClient, quiet: Job) -> None:
    answers = await repeated(client, f"{quiet['links']['self']}?wait=long", {})

    assert [answer.status_code for answer in answers] == [422] * TIMES


async def test_each_time_has_an_id_and_counts(client: httpx.AsyncClient, quiet: Job) -> None:
    answers = await repeated(client, quiet["links"]["self"], {"X-A": "counted"})

    assert len({answer.headers["x-correlation-id"] for answer in answers}) == TIMES
    left = [int(answer.headers["x-ratelimit-remaining"]) for answer in answers]
    assert left == sorted(left, reverse=True)
    assert left[0] > left[-1]


async def test_a_correlation_id_of_the_caller_s_is_told_each_time(client: httpx.AsyncClient, quiet: Job) -> None:
    answers = await repeated(client, quiet["links"]["self"], {"X-Correlation-ID": "mine"})

    assert {answer.headers["x-correlation-id"] for answer in answers} == {"mine"}
