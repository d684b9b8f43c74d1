"""Contract: all results of a job as lines, which can be resumed, and say whether they are whole."""

from typing import Any

import httpx
import orjson
import pytest

from running.jobs import Job, ended_job

LINES = "application/x-ndjson"
TOTAL = 1203  # more than two batches


@pytest.fixture(scope="module")
async def ended(client: httpx.AsyncClient) -> Job:
    """A job that succeeded, three items of which failed."""
    return await ended_job(client, "in_progress 0.05s fail=3, succeeded", items=TOTAL)


async def lines_of(client: httpx.AsyncClient, job: Job, accept: str = LINES, **query: Any) -> list[dict[str, Any]]:
    """All lines of a download."""
    answer = await client.get(job["links"]["results"], params=query, headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == LINES
    assert answer.text.endswith("\n")
    return [orjson.loads(line) for line in answer.text.splitlines()]


async def test_all_results_come_in_the_order_of_submission_and_then_the_end(
    client: httpx.AsyncClient, ended: Job
) -> None:
    *rows, end = await lines_of(client, ended)

    assert [row["index"] for row in rows] == [*range(TOTAL)]
    assert end == {"object": "results.end", "count": TOTAL}


async def test_a_line_is_what_a_page_shows(client: httpx.AsyncClient, ended: Job) -> None:
    page = await client.get(ended["links"]["results"], params={"limit": 5})

    lines = await lines_of(client, ended)

    assert lines[:5] == page.json()["data"]


@pytest.mark.parametrize("after", [0, 1, 498, 499, 500, 999, TOTAL - 2, TOTAL - 1, TOTAL + 5])
async def test_a_download_that_was_cut_is_resumed_after_the_last_index_it_had(
    client: httpx.AsyncClient, ended: Job, after: int
) -> None:
    whole = await lines_of(client, ended)

    rest = await lines_of(client, ended, after=after)

    assert rest == [*whole[after + 1 : -1], whole[-1]]


@pytest.mark.parametrize(("outcome", "count"), [("failed", 3), ("completed", TOTAL - 3), ("cancelled", 0)])
async def test_only_results_with_an_outcome_come_and_the_end_counts_the_whole_job(
    client: httpx.AsyncClient, ended: Job, outcome: str, count: int
) -> None:
    *rows, end = await lines_of(client, ended, outcome=outcome)

    assert [row["outcome"] for row in rows] == [outcome] * count
    assert sorted(row["index"] for row in rows) == [row["index"] for row in rows]
    assert end["count"] == TOTAL


@pytest.mark.parametrize("had", [0, 1, 2])
async def test_a_download_of_one_outcome_is_resumed_too(client: httpx.AsyncClient, ended: Job, had: int) -> None:
    whole = await lines_of(client, ended, outcome="failed")

    rest = await lines_of(client, ended, outcome="failed", after=whole[had]["index"])

    assert rest == whole[had + 1 :]


async def test_pages_of_an_outcome_follow_one_another(client: httpx.AsyncClient, ended: Job) -> None:
    first = await client.get(ended["links"]["results"], params={"outcome": "failed", "limit": 2})

    second = await client.get(first.links["next"]["url"])

    rows = [*first.json()["data"], *second.json()["data"]]
    assert [row["outcome"] for row in rows] == ["failed"] * 3
    assert (first.json()["has_more"], second.json()["has_more"]) == (True, False)


async def test_items_without_a_result_are_found_by_the_outcome_they_take(client: httpx.AsyncClient) -> None:
    job = await ended_job(client, "in_progress 0.05s @50%, expired", items=4)

    rows = (await client.get(job["links"]["results"], params={"outcome": "expired"})).json()["data"]

    assert len(rows) == job["progress"]["expired"] > 0
    assert {row["outcome"] for row in rows} == {"expired"}


async def test_an_outcome_that_there_is_not_is_422(client: httpx.AsyncClient, ended: Job) -> None:
    answer = await client.get(ended["links"]["results"], params={"outcome": "lost"})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["?outcome"]


@pytest.mark.parametrize("accept", [f"{LINES};q=0.9, application/json;q=0.1", "application/json;q=0, */*"])
async def test_whoever_likes_lines_better_gets_lines(client: httpx.AsyncClient, ended: Job, accept: str) -> None:
    assert (await lines_of(client, ended, accept))[-1]["object"] == "results.end"


@pytest.mark.parametrize("accept", ["*/*", "application/json", f"application/json, {LINES}", f"{LINES};q=0, */*"])
async def test_whoever_does_not_gets_a_page(client: httpx.AsyncClient, ended: Job, accept: str) -> None:
    answer = await client.get(ended["links"]["results"], headers={"Accept": accept})

    assert answer.headers["content-type"] == "application/json"


async def test_who_takes_neither_is_refused(client: httpx.AsyncClient, ended: Job) -> None:
    answer = await client.get(ended["links"]["results"], headers={"Accept": "text/csv"})

    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


@pytest.mark.parametrize("accept", ["application/json", LINES])
async def test_who_has_them_already_is_told_so(client: httpx.AsyncClient, ended: Job, accept: str) -> None:
    first = await client.get(ended["links"]["results"], headers={"Accept": accept})

    again = await client.get(
        ended["links"]["results"], headers={"Accept": accept, "If-None-Match": first.headers["etag"]}
    )

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert not first.headers["etag"].startswith("W/")
    assert first.headers["cache-control"] == "private, no-cache"


async def test_the_tags_of_different_bytes_differ_and_of_the_same_agree_on_every_node(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, ended: Job
) -> None:
    async def tag(asking: httpx.AsyncClient, accept: str = "application/json", **query: Any) -> str:
        answer = await asking.head(ended["links"]["results"], params=query, headers={"Accept": accept})
        return answer.headers["etag"]

    tags = [
        await tag(client),
        await tag(client, limit=5),
        await tag(client, after=5),
        await tag(client, outcome="failed"),
        await tag(client, LINES),
        await tag(client, LINES, after=5),
    ]
    assert len({*tags}) == len(tags)
    assert await tag(client, LINES, limit=5) == tags[4]
    assert [await tag(other_client), await tag(other_client, LINES)] == [tags[0], tags[4]]


async def test_head_of_lines_has_no_body(client: httpx.AsyncClient, ended: Job) -> None:
    answer = await client.head(ended["links"]["results"], headers={"Accept": LINES})

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == LINES
