"""Contract: `?fields=` on what is no job: versions, results, and what clients have."""

from typing import Any

import httpx
import orjson
import pytest

from running.jobs import Job, ended_job, set_of

LINES = "application/x-ndjson"


@pytest.fixture
async def finished(asking: httpx.AsyncClient) -> Job:
    """A job of seven items, two of which failed."""
    return await ended_job(asking, "in_progress 0.05s fail=2, succeeded", items=7)


async def test_versions_show_only_what_is_named_on_every_page(asking: httpx.AsyncClient, finished: Job) -> None:
    first = await asking.get(
        f"{finished['links']['self']}/history", params={"fields": "status,progress.total", "limit": 2}
    )
    second = await asking.get(first.links["next"]["url"])

    shown = [*first.json()["data"], *second.json()["data"]]
    assert all([*version] == ["status", "progress"] for version in shown)
    assert {orjson.dumps(version["progress"]) for version in shown} == {b'{"total":7}'}


@pytest.mark.parametrize(
    ("fields", "member"),
    [
        ("custom_id,outcome", {"custom_id", "outcome"}),
        ("index,response", {"index", "response"}),
        ("response.status_code", {"response"}),
        ("error.code", {"error"}),
    ],
)
async def test_results_show_only_what_is_named(
    asking: httpx.AsyncClient, finished: Job, fields: str, member: set[str]
) -> None:
    path = finished["links"]["results"]
    whole = {row["index"]: row for row in (await asking.get(path)).json()["data"]}

    page = (await asking.get(path, params={"fields": fields, "limit": 1000})).json()["data"]
    lines = [
        orjson.loads(line)
        for line in (await asking.get(path, params={"fields": fields}, headers={"Accept": LINES})).text.splitlines()
    ]

    assert lines == [*page, {"object": "results.end", "count": 7}]
    assert page == [_part(row, fields) for row in whole.values()]
    assert all({*row} == member for row in page)


async def test_pages_of_results_keep_their_fields_and_outcome(asking: httpx.AsyncClient, finished: Job) -> None:
    query = {"fields": "index", "outcome": "completed", "limit": 2}
    first = await asking.get(finished["links"]["results"], params=query)

    second = await asking.get(first.links["next"]["url"])

    assert [{*row} for row in second.json()["data"]] == [{"index"}] * 2


async def test_results_of_other_fields_have_another_tag(asking: httpx.AsyncClient, finished: Job) -> None:
    path = finished["links"]["results"]

    async def tag(**query: str) -> str:
        return (await asking.head(path, params=query)).headers["etag"]

    tags = [await tag(), await tag(fields="index"), await tag(fields="index,outcome")]
    assert len({*tags}) == 3
    assert await tag(fields="outcome,index") == tags[2]


async def test_what_a_client_has_is_shown_in_part(signer: httpx.AsyncClient) -> None:
    whoami = await signer.get("/api/v1/whoami", params={"fields": "name,limits.hour"})
    keys = await signer.get("/api/v1/keys", params={"fields": "id"})
    audit = await signer.get("/api/v1/audit", params={"fields": "action,at", "limit": 1})

    assert {*whoami.json()} == {"name", "limits"}
    assert {*whoami.json()["limits"]} == {"hour"}
    assert all({*key} == {"id"} for key in keys.json()["data"])
    assert all({*row} == {"action", "at"} for row in audit.json()["data"])


@pytest.mark.parametrize("fields", ["", "speed", "status_code", "response.body.choices", "index,"])
async def test_fields_that_results_have_not_are_422(asking: httpx.AsyncClient, finished: Job, fields: str) -> None:
    answer = await asking.get(finished["links"]["results"], params={"fields": fields})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["?fields"]


@pytest.mark.parametrize("path", ["/api/v1/whoami", "/api/v1/keys", "/api/v1/audit", "history"])
async def test_fields_that_the_rest_has_not_are_422(signer: httpx.AsyncClient, owned: Job, path: str) -> None:
    address = f"{set_of(signer)}/{owned['id']}/history" if path == "history" else path

    answers = [await signer.get(address, params={"fields": fields}) for fields in ("speed", "x" * 2001)]

    assert [answer.status_code for answer in answers] == [422, 422]


def _part(row: dict[str, Any], fields: str) -> dict[str, Any]:
    """What some fields name of a result; written anew, since the service's own is what is asked here."""
    part: dict[str, Any] = {}
    for field in fields.split(","):
        name, _, below = field.partition(".")
        part[name] = {below: row[name][below]} if below and row[name] is not None else row[name]
    return part
