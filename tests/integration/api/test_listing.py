"""The list of a client's jobs, over HTTP."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.client_app import SET, client_app
from in_process.moving import Mover
from polling_api.domain.job import Job, Status
from polling_api.hub import Hub, LocalBus, LocalTransport
from polling_api.representation import job_document
from polling_api.store import listing
from polling_api.store.endings import delete
from polling_api.store.source import PrimarySource
from polling_api.watch import Bounds, ClientFeeds


@pytest.fixture
def client_id() -> str:
    return f"client_{uuid4().hex}"


@pytest.fixture
async def client(engine: AsyncEngine, client_id: str) -> AsyncIterator[httpx.AsyncClient]:
    feeds = ClientFeeds(PrimarySource(engine), Hub(LocalTransport(LocalBus())), Bounds())
    app: Any = client_app(partial(listing.page, engine), feeds)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers={"X-Client": client_id}) as http:
        yield http


@pytest.fixture
async def jobs(mover: Mover, client_id: str) -> list[Job]:
    """Three jobs, the newest first."""
    return [await mover.stored(client_id=client_id) for _ in range(3)][::-1]


async def ids(client: httpx.AsyncClient, **query: Any) -> list[str]:
    return [job["id"] for job in (await client.get(SET, params=query)).json()["data"]]


async def test_it_is_a_list_of_jobs_newest_first(client: httpx.AsyncClient, jobs: list[Job]) -> None:
    answer = await client.get(SET)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "object": "list",
        "data": [job_document(job, SET) for job in jobs],
        "has_more": False,
        "next_cursor": None,
    }


async def test_a_client_without_jobs_has_an_empty_list(client: httpx.AsyncClient) -> None:
    assert (await client.get(SET)).json() == {"object": "list", "data": [], "has_more": False, "next_cursor": None}


async def test_next_leads_through_all_pages_with_the_filters_kept(client: httpx.AsyncClient, jobs: list[Job]) -> None:
    first = await client.get(SET, params={"limit": 2, "status": "queued,failed"})
    second = await client.get(first.links["next"]["url"])

    assert (first.json()["has_more"], second.json()["has_more"]) == (True, False)
    assert "status=queued%2Cfailed" in first.links["next"]["url"]
    assert "limit=2" in first.links["next"]["url"]
    assert [job["id"] for one in (first, second) for job in one.json()["data"]] == [job.id for job in jobs]
    by_cursor = await client.get(SET, params={"cursor": first.json()["next_cursor"]})
    assert by_cursor.json() == second.json()
    assert "next" not in second.links


async def test_statuses_may_be_repeated_and_divided_by_commas(
    client: httpx.AsyncClient, jobs: list[Job], mover: Mover
) -> None:
    await mover.commit(jobs[:1], Status.FAILED)
    await mover.commit(jobs[1:2], Status.SUBMITTING)

    assert await ids(client, status="failed") == [jobs[0].id]
    assert await ids(client, status="failed, submitting") == [jobs[0].id, jobs[1].id]
    assert await ids(client, status=["submitting", "queued"]) == [jobs[1].id, jobs[2].id]
    assert await ids(client, status="expired") == []


async def test_created_after_is_a_moment_and_excludes_it(client: httpx.AsyncClient, jobs: list[Job]) -> None:
    moment = jobs[1].created_at

    assert await ids(client, created_after=moment.isoformat()) == [jobs[0].id]
    assert await ids(client, created_after="2020-01-01T00:00:00z") == [job.id for job in jobs]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"status": "done"}, "?status"),
        ({"status": ""}, "?status"),
        ({"status": ["queued", "queued,x"]}, "?status"),
        ({"created_after": "yesterday"}, "?created_after"),
        ({"created_after": "2026-11-23"}, "?created_after"),
        ({"created_after": "2026-11-23T09:00:00"}, "?created_after"),
        ({"created_after": "2026-13-23T09:00:00Z"}, "?created_after"),
        ({"created_after": "0001-01-01T00:00:00+10:00"}, "?created_after"),
        ({"created_after": ["2026-11-23T09:00:00Z", "2026-11-23T09:00:01Z"]}, "?created_after"),
        ({"limit": "0"}, "?limit"),
        ({"limit": "1001"}, "?limit"),
        ({"limit": "many"}, "?limit"),
    ],
)
async def test_a_parameter_that_breaks_a_rule_is_422_and_named(
    client: httpx.AsyncClient, query: dict[str, Any], pointer: str
) -> None:
    answer = await client.get(SET, params=query)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert {error["pointer"] for error in answer.json()["errors"]} == {pointer}


async def test_a_bad_or_foreign_cursor_is_400(client: httpx.AsyncClient, jobs: list[Job]) -> None:
    cursor = (await client.get(SET, params={"limit": len(jobs) - 1})).json()["next_cursor"]
    other = {"X-Client": "client_other"}

    for answer in (
        await client.get(SET, params={"cursor": "made-up"}),
        await client.get(SET, params={"cursor": ""}),
        await client.get(SET, params={"cursor": cursor}, headers=other),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


async def test_an_unchanged_page_is_304_with_the_headers_that_a_cache_needs(
    client: httpx.AsyncClient, jobs: list[Job]
) -> None:
    first = await client.get(SET, params={"limit": len(jobs) - 1})

    for tag in (first.headers["etag"], f'"x", {first.headers["etag"].removeprefix("W/")}', "*"):
        again = await client.get(SET, params={"limit": len(jobs) - 1}, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        kept = ("etag", "cache-control", "vary")
        assert {name: again.headers.get(name) for name in kept} == {name: first.headers[name] for name in kept}
        assert again.headers.keys() == {*kept, "date", "x-correlation-id", "x-api-version"}
    assert first.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("change", ["a version", "a new job", "another query", "one job less"])
async def test_any_change_makes_another_tag(
    client: httpx.AsyncClient, jobs: list[Job], mover: Mover, client_id: str, engine: AsyncEngine, change: str
) -> None:
    ended = await mover.commit(jobs[2:], Status.FAILED)
    query = {"limit": 2}
    first = await client.get(SET, params=query)

    match change:
        case "a version":
            await mover.commit(jobs[:1], Status.FAILED)
        case "a new job":
            await mover.store(client_id=client_id)
        case "another query":
            query = {"limit": 1}
        case _:  # of the next page: only that there is one changes
            await delete(engine, ended[0].id)

    again = await client.get(SET, params=query, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 200
    assert again.headers["etag"] != first.headers["etag"]


async def test_head_has_the_headers(client: httpx.AsyncClient, jobs: list[Job]) -> None:
    get, head = await client.get(SET), await client.head(SET)

    assert len(get.json()["data"]) == len(jobs)
    changing = {"date", "x-correlation-id"}
    assert (head.status_code, head.headers.keys()) == (200, get.headers.keys())
    assert {name: head.headers[name] for name in head.headers if name not in changing} == {
        name: get.headers[name] for name in get.headers if name not in changing
    }
