"""Contract: Submitting, and what a submit that is taken answers."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest

from running.jobs import QUICK, QUIET, SET, Job, batch, ended_job, submit, until_terminal

ENDPOINTS = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/images/generations",
]
NDJSON = {"Content-Type": "application/x-ndjson"}


def line(custom_id: str, *, url: str = "/v1/chat/completions", **others: Any) -> dict[str, Any]:
    """One request in the OpenAI batch input format."""
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": {"model": "made-up"}, **others}


def ndjson(*lines: dict[str, Any], newline: bytes = b"\n") -> bytes:
    """Lines as they are sent."""
    return newline.join(orjson.dumps(one) for one in lines)


async def custom_ids(client: httpx.AsyncClient, job: Job) -> list[str]:
    """Those of the results, in their order."""
    await until_terminal(client, job)
    answer = await client.get(job["links"]["results"])
    return [item["custom_id"] for item in answer.json()["data"]]


async def test_a_submit_is_accepted_with_its_address_and_the_job(client: httpx.AsyncClient) -> None:
    answer = await client.post(SET, json=batch(3, script=QUIET))

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == job["links"]["self"] == f"/api/v1/jobs/{job['id']}"
    assert job["progress"]["total"] == 3
    assert (await client.get(answer.headers["location"])).json()["id"] == job["id"]


async def test_an_accepted_submit_says_when_to_ask_again(client: httpx.AsyncClient) -> None:
    answer = await client.post(SET, json=batch(script=QUIET))

    assert answer.headers["retry-after"] == answer.headers["x-poll-interval"]
    assert 1 <= int(answer.headers["retry-after"]) <= 300


async def test_the_tag_of_an_accepted_submit_is_that_of_its_first_version(client: httpx.AsyncClient) -> None:
    answer = await client.post(SET, json=batch(script=QUIET))

    seen = {"If-None-Match": answer.headers["etag"]}
    later = await client.get(answer.headers["location"], params={"wait": 10}, headers=seen)

    assert answer.headers["etag"].startswith('W/"1-')
    assert later.json()["version"] > 1


async def test_a_json_batch_is_run_in_its_order(client: httpx.AsyncClient) -> None:
    names = ["z", "a", "ü", "3", "-"]
    requests: list[dict[str, Any]] = [{"custom_id": name, "body": {}} for name in names]

    answer = await client.post(SET, json={"requests": requests, "metadata": {"simulator": QUICK}})

    assert await custom_ids(client, answer.json()) == names


async def test_a_batch_in_lines_is_run_in_its_order(client: httpx.AsyncClient) -> None:
    options = {"object": "job.options", "metadata": {"simulator": QUICK, "team": "films"}, "expires_in": 600}
    body = ndjson(options, line("b"), line("a"), line("c"))

    answer = await client.post(SET, content=body, headers=NDJSON)

    job = answer.json()
    assert answer.status_code == 202
    assert (job["progress"]["total"], job["metadata"]["team"]) == (3, "films")
    assert await custom_ids(client, job) == ["b", "a", "c"]


async def test_lines_need_no_options(client: httpx.AsyncClient) -> None:
    answer = await client.post(SET, content=ndjson(line("a"), line("b")), headers=NDJSON)

    job = answer.json()
    assert answer.status_code == 202
    assert (job["progress"]["total"], job["metadata"], job["expires_at"]) == (2, {}, None)


async def test_lines_may_end_as_on_windows_and_the_media_type_may_have_a_charset(client: httpx.AsyncClient) -> None:
    body = ndjson(line("a"), line("b"), newline=b"\r\n") + b"\r\n"

    answer = await client.post(SET, content=body, headers={"Content-Type": "application/x-ndjson; charset=utf-8"})

    assert (answer.status_code, answer.json()["progress"]["total"]) == (202, 2)


async def test_the_endpoint_is_chat_completions_unless_another_is_named(client: httpx.AsyncClient) -> None:
    job = await submit(client)

    assert job["endpoint"] == "/v1/chat/completions"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_every_endpoint_of_the_provider_is_taken_in_both_formats(
    client: httpx.AsyncClient, endpoint: str
) -> None:
    in_json = await client.post(SET, json=batch(endpoint=endpoint))
    in_lines = await client.post(SET, content=ndjson(line("a", url=endpoint)), headers=NDJSON)

    assert [one.json()["endpoint"] for one in (in_json, in_lines)] == [endpoint, endpoint]


async def test_metadata_is_kept_and_shown(client: httpx.AsyncClient) -> None:
    metadata = {f"key {number}": "ü" * 512 for number in range(14)} | {"k" * 64: ""}

    answer = await client.post(SET, json=batch(metadata=metadata))

    assert answer.status_code == 202
    assert answer.json()["metadata"] == metadata


@pytest.mark.parametrize("seconds", [3600, 90.5])
async def test_expires_in_is_shown_as_the_deadline(client: httpx.AsyncClient, seconds: float) -> None:
    job = await submit(client, QUIET, expires_in=seconds)

    lasts = datetime.fromisoformat(job["expires_at"]) - datetime.fromisoformat(job["created_at"])
    assert lasts == timedelta(seconds=seconds)


async def test_a_job_whose_own_deadline_passes_is_expired(client: httpx.AsyncClient) -> None:
    job = await ended_job(client, QUIET, items=4, expires_in=1)

    assert job["status"] == "expired"
    assert job["progress"] == {"total": 4, "completed": 2, "failed": 0, "expired": 2, "cancelled": 0}


async def test_what_only_looks_empty_is_a_default(client: httpx.AsyncClient) -> None:
    answer = await client.post(SET, json=batch(endpoint=None, metadata=None, expires_in=None))

    assert answer.status_code == 202
    assert answer.json()["metadata"] == {}


@pytest.mark.parametrize("headers", [{"Prefer": "wait=20"}, {"Prefer": "respond-async, wait=20"}])
async def test_a_submit_that_waits_answers_200_at_the_end(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.post(SET, json=batch(script=QUICK), headers=headers)

    job = answer.json()
    assert (answer.status_code, job["status"]) == (200, "succeeded")
    assert answer.headers["location"] == job["links"]["self"]
    assert answer.headers["preference-applied"] == "wait=20"
    assert "retry-after" not in answer.headers


async def test_a_submit_may_ask_to_wait_in_its_query_too(client: httpx.AsyncClient) -> None:
    answer = await client.post(SET, params={"wait": 20}, json=batch(script=QUICK), headers={"Prefer": "wait=0"})

    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")


async def test_a_submit_whose_wait_is_over_answers_202_with_the_present_state(client: httpx.AsyncClient) -> None:
    answer = await client.post(SET, json=batch(script=QUIET), headers={"Prefer": "wait=1"})

    assert (answer.status_code, answer.json()["status"]) == (202, "in_progress")
    assert answer.elapsed > timedelta(seconds=0.9)
    assert answer.headers["preference-applied"] == "wait=1"
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_submit_that_asks_for_no_wait_is_told_nothing_of_one(client: httpx.AsyncClient) -> None:
    answer = await client.post(SET, json=batch(script=QUIET))

    assert "preference-applied" not in answer.headers


async def test_the_official_line_format_goes_through_unchanged(client: httpx.AsyncClient) -> None:
    body = (
        b'{"custom_id": "request-1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-4o-mini",'
        b' "messages": [{"role": "system", "content": "You are a helpful assistant."}], "max_tokens": 1000}}\n'
    )

    answer = await client.post(SET, content=body, headers=NDJSON)

    assert (answer.status_code, answer.json()["progress"]["total"]) == (202, 1)
