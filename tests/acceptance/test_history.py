"""Contract: `GET /api/v1/jobs/{id}/history`."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from running.jobs import SET, Job, read

Entry = dict[str, Any]

FIVE_STATUSES = ["queued", "submitting", "in_progress", "finalizing", "succeeded"]
MISSING = f"{SET}/job_{'0' * 32}/history"


def history_of(job: Job) -> str:
    return f"{job['links']['self']}/history"


async def pages(client: httpx.AsyncClient, job: Job, limit: int) -> Sequence[list[Entry]]:
    """Follow `Link: rel="next"` to the end."""
    answer = await client.get(history_of(job), params={"limit": limit})
    found = [answer.json()["data"]]
    while "next" in answer.links:
        answer = await client.get(answer.links["next"]["url"])
        found.append(answer.json()["data"])
    return found


async def test_it_tells_every_version_in_order_with_its_time(client: httpx.AsyncClient, ended: Job) -> None:
    answer = await client.get(history_of(ended))

    entries = answer.json()["data"]
    assert answer.status_code == 200
    assert [entry["version"] for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry["status"] for entry in entries] == FIVE_STATUSES
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)


async def test_it_is_a_list_of_the_contract(client: httpx.AsyncClient, ended: Job) -> None:
    answer = (await client.get(history_of(ended))).json()

    assert answer.keys() == {"object", "data", "has_more", "next_cursor"}
    assert (answer["object"], answer["has_more"], answer["next_cursor"]) == ("list", False, None)
    assert {frozenset(entry) for entry in answer["data"]} == {frozenset({"version", "status", "progress", "at"})}


async def test_its_first_and_last_entries_are_the_job_as_it_was_and_is(client: httpx.AsyncClient, ended: Job) -> None:
    entries = (await client.get(history_of(ended))).json()["data"]

    assert entries[0]["at"] == ended["created_at"]
    assert entries[-1] == {
        "version": ended["version"],
        "status": ended["status"],
        "progress": ended["progress"],
        "at": ended["updated_at"],
    }


async def test_a_job_that_has_not_ended_has_a_history(client: httpx.AsyncClient, quiet: Job) -> None:
    entries = (await client.get(history_of(quiet))).json()["data"]

    assert entries[-1]["version"] == (await read(client, quiet)).json()["version"]


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (5, [5]), (1000, [5])])
async def test_pages_hold_each_version_once(
    client: httpx.AsyncClient, ended: Job, limit: int, sizes: list[int]
) -> None:
    found = await pages(client, ended, limit)

    assert [len(page) for page in found] == sizes
    assert [entry["version"] for page in found for entry in page] == [1, 2, 3, 4, 5]


async def test_a_cursor_leads_to_the_next_page_on_another_node(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, ended: Job
) -> None:
    first = (await client.get(history_of(ended), params={"limit": 3})).json()

    second = await other_client.get(history_of(ended), params={"cursor": first["next_cursor"]})

    assert first["has_more"] is True
    assert [entry["version"] for entry in second.json()["data"]] == [4, 5]


async def test_a_cursor_of_another_job_is_refused(client: httpx.AsyncClient, ended: Job, quiet: Job) -> None:
    cursor = (await client.get(history_of(ended), params={"limit": 1})).json()["next_cursor"]

    answer = await client.get(history_of(quiet), params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize("cursor", ["", "3", "WzNd.AAAA", "\N{SNOWMAN}", "\0", "." * 4_000])
async def test_what_is_no_cursor_is_refused(client: httpx.AsyncClient, ended: Job, cursor: str) -> None:
    answer = await client.get(history_of(ended), params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "many", ""])
async def test_a_limit_out_of_its_range_is_refused(client: httpx.AsyncClient, ended: Job, limit: str) -> None:
    answer = await client.get(history_of(ended), params={"limit": limit})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["pointer"] == "?limit"


async def test_a_job_that_is_not_there_has_no_history(client: httpx.AsyncClient) -> None:
    answer = await client.get(MISSING)

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


async def test_head_has_the_headers_of_get_and_no_body(client: httpx.AsyncClient, ended: Job) -> None:
    got, head = [await client.request(method, history_of(ended), params={"limit": 2}) for method in ("GET", "HEAD")]

    assert (head.status_code, head.content) == (200, b"")
    of_the_moment = dict.fromkeys(("x-correlation-id", "date", "x-ratelimit-remaining", "x-ratelimit-reset"))
    assert {**head.headers, **of_the_moment} == {**got.headers, **of_the_moment}
