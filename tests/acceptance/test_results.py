"""Contract: results, of jobs however they ended."""

import re
from collections import Counter
from typing import Any

import httpx
import pytest

from polling_api.api.shapes import ResultListDocument
from running.jobs import SET, Job, ended_job, quiet_job

NEXT = re.compile(r'<([^>]+)>; rel="next"')


@pytest.fixture(scope="module")
async def ended(client: httpx.AsyncClient) -> Job:
    """A job of seven items that succeeded, two of which failed."""
    return await ended_job(client, "in_progress 0.05s fail=2, succeeded", items=7)


async def rows_of(client: httpx.AsyncClient, job: Job) -> list[dict[str, Any]]:
    """All results, in one page."""
    answer = await client.get(job["links"]["results"], params={"limit": 1000})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def pages_of(client: httpx.AsyncClient, job: Job, limit: int) -> list[httpx.Response]:
    """All pages, by following `Link`."""
    pages = [await client.get(job["links"]["results"], params={"limit": limit})]
    while following := NEXT.fullmatch(pages[-1].headers.get("link", "")):
        pages.append(await client.get(following[1]))
    return pages


async def test_results_are_a_list_in_the_shape_of_the_contract(client: httpx.AsyncClient, ended: Job) -> None:
    answer = await client.get(ended["links"]["results"])

    page = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert list(page) == ["object", "data", "has_more", "next_cursor"]
    assert (page["object"], page["has_more"], page["next_cursor"]) == ("list", False, None)
    assert {tuple(row) for row in page["data"]} == {("index", "custom_id", "outcome", "response", "error")}
    ResultListDocument.model_validate(page)


async def test_results_are_in_the_order_of_submission(client: httpx.AsyncClient, ended: Job) -> None:
    rows = await rows_of(client, ended)

    assert [(row["index"], row["custom_id"]) for row in rows] == [(n, f"item-{n}") for n in range(7)]


async def test_a_completed_item_has_a_response_and_a_failed_one_an_error(client: httpx.AsyncClient, ended: Job) -> None:
    rows = await rows_of(client, ended)

    completed = [row for row in rows if row["outcome"] == "completed"]
    failed = [row for row in rows if row["outcome"] == "failed"]
    assert (len(completed), len(failed)) == (5, 2)
    assert {tuple(row["response"]) for row in completed} == {("status_code", "body")}
    assert [row["error"] for row in completed] == [None] * 5
    assert {tuple(row["error"]) for row in failed} == {("code", "message")}


@pytest.mark.parametrize(
    ("script", "outcomes"),
    [
        ("in_progress 0.05s @50% fail=1, expired", {"completed": 4, "failed": 1, "expired": 5}),
        ("in_progress 0.05s @50% fail=1, cancelled", {"completed": 4, "failed": 1, "cancelled": 5}),
        ("in_progress 0.05s @50%, failed", {"failed": 10}),
        ("in_progress 0.05s @0%, expired", {"expired": 10}),
        ("succeeded", {"completed": 10}),
    ],
)
async def test_every_item_has_a_row_however_the_job_ended(
    client: httpx.AsyncClient, script: str, outcomes: dict[str, int]
) -> None:
    job = await ended_job(client, script, items=10)

    rows = await rows_of(client, job)

    counted = {name: count for name, count in job["progress"].items() if count and name != "total"}
    assert Counter(row["outcome"] for row in rows) == outcomes == counted
    assert [row["index"] for row in rows] == [*range(10)]


async def test_items_without_an_answer_say_why(client: httpx.AsyncClient) -> None:
    job = await ended_job(client, "in_progress 0.05s @50%, expired", items=4)

    rows = [row for row in await rows_of(client, job) if row["outcome"] == "expired"]

    assert [row["response"] for row in rows] == [None, None]
    assert [row["error"]["message"] for row in rows if not row["error"]["code"]] == []


async def test_results_before_the_end_are_409_and_say_when_to_ask_again(client: httpx.AsyncClient) -> None:
    job = (await quiet_job(client)).json()

    answer = await client.get(job["links"]["results"])

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "results_not_ready")
    assert 1 <= int(answer.headers["retry-after"]) <= 300
    assert problem["retry_after"] == int(answer.headers["retry-after"])


async def test_results_of_an_unknown_job_are_404(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{SET}/job_{'0' * 32}/results")

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1] * 7), (3, [3, 3, 1]), (7, [7]), (1000, [7])])
async def test_pages_follow_one_another_without_gap_or_double(
    client: httpx.AsyncClient, ended: Job, limit: int, sizes: list[int]
) -> None:
    pages = await pages_of(client, ended, limit)

    rows = [row for page in pages for row in page.json()["data"]]
    assert [len(page.json()["data"]) for page in pages] == sizes
    assert [row["index"] for row in rows] == [*range(7)]
    assert [page.json()["has_more"] for page in pages] == [True] * (len(sizes) - 1) + [False]


async def test_the_cursor_of_a_page_says_where_the_next_begins(client: httpx.AsyncClient, ended: Job) -> None:
    first, second, *_ = await pages_of(client, ended, 3)

    assert first.json()["next_cursor"] is not None
    assert first.links["next"]["url"].startswith(f"{ended['links']['results']}?")
    assert second.json()["data"][0]["index"] == 3


@pytest.mark.parametrize(("after", "indexes"), [("0", [1, 2]), ("4", [5, 6]), ("6", []), ("2147483647", [])])
async def test_after_begins_behind_an_index(
    client: httpx.AsyncClient, ended: Job, after: str, indexes: list[int]
) -> None:
    answer = await client.get(ended["links"]["results"], params={"after": after, "limit": 2})

    assert [row["index"] for row in answer.json()["data"]] == indexes


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("limit=0", "?limit"),
        ("limit=1001", "?limit"),
        ("limit=ten", "?limit"),
        ("limit=-1", "?limit"),
        ("after=-1", "?after"),
        ("after=first", "?after"),
        ("after=99999999999999999999", "?after"),
        ("after=", "?after"),
        ("after=1.0", "?after"),
        ("after=1_000", "?after"),
        ("after=+1", "?after"),
        ("limit=5.0", "?limit"),
    ],
)
async def test_a_bound_that_is_broken_is_422_and_named(
    client: httpx.AsyncClient, ended: Job, query: str, place: str
) -> None:
    answer = await client.get(f"{ended['links']['results']}?{query}")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [place]


async def test_head_of_results_has_no_body(client: httpx.AsyncClient, ended: Job) -> None:
    answer = await client.head(ended["links"]["results"])

    assert (answer.status_code, answer.content) == (200, b"")


async def test_many_results_are_all_there(client: httpx.AsyncClient) -> None:
    job = await ended_job(client, items=2500)

    pages = await pages_of(client, job, 1000)

    assert [row["index"] for page in pages for row in page.json()["data"]] == [*range(2500)]
