"""Contract: Errors (RFC 9457), and the correlation of requests."""

import re

import httpx
import pytest

from polling_api.api.codes import KINDS
from polling_api.api.shapes import ProblemDocument
from running.events import open_events
from running.jobs import SET, Job, quiet_job
from running.service import Service

MISSING = f"{SET}/job_{'0' * 32}"
GIVEN = "6f1c0a7b-e2d9-4c3b-8a5d-1e0f7c6b5a49"
# One request for each way in which something is refused.
REFUSALS: list[tuple[str, str, dict[str, str], int, str]] = [
    ("GET", MISSING, {}, 404, "job_not_found"),
    ("GET", f"{SET}/not-an-id", {}, 404, "job_not_found"),
    ("GET", f"{MISSING}/events", {}, 404, "job_not_found"),
    ("GET", f"{MISSING}/results", {}, 404, "job_not_found"),
    ("GET", "/nowhere", {}, 404, "not_found"),
    ("GET", f"{MISSING}/", {}, 404, "job_not_found"),
    ("GET", "/problems/no_such_code", {}, 404, "not_found"),
    ("PUT", MISSING, {}, 405, "method_not_allowed"),
    ("GET", SET, {}, 405, "method_not_allowed"),
    ("POST", SET, {"content-type": "text/plain"}, 415, "unsupported_media_type"),
    ("POST", SET, {"content-type": "application/json"}, 400, "malformed_json"),
    ("GET", f"{MISSING}?wait=soon", {}, 422, "invalid_request"),
    ("GET", f"{MISSING}/results?limit=0", {}, 422, "invalid_request"),
]


@pytest.mark.parametrize(("method", "path", "headers", "status", "code"), REFUSALS)
async def test_a_refusal_is_a_problem_document(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await client.request(method, path, headers=headers)

    problem = ProblemDocument.model_validate(answer.json())
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem.status, problem.code) == (status, status, code)
    assert problem.instance == path.partition("?")[0]
    assert problem.correlation_id == answer.headers["x-correlation-id"]
    assert problem.detail
    assert problem.title


@pytest.mark.parametrize(("method", "path", "headers", "status", "code"), REFUSALS)
async def test_the_type_of_a_problem_leads_to_a_page_about_its_code(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    refusal = await client.request(method, path, headers=headers)

    page = await client.get(refusal.json()["type"])

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert code in page.text
    assert str(status) in page.text


@pytest.mark.parametrize("code", KINDS)
async def test_every_code_has_its_page(client: httpx.AsyncClient, code: str) -> None:
    page, listed = await client.get(f"/problems/{code}"), await client.get("/problems")

    assert page.status_code == 200
    assert f'href="/problems/{code}"' in listed.text


async def test_a_422_tells_the_broken_rules_field_by_field(client: httpx.AsyncClient) -> None:
    answer = await client.post(SET, json={"requests": []})

    assert {tuple(error) for error in answer.json()["errors"]} == {("pointer", "message")}


async def test_another_refusal_has_no_fields_to_name(client: httpx.AsyncClient) -> None:
    answer = await client.get(MISSING)

    assert "errors" not in answer.json()
    assert "retry_after" not in answer.json()


async def test_a_missing_job_and_a_malformed_id_are_answered_alike(client: httpx.AsyncClient) -> None:
    missing, malformed = await client.get(MISSING), await client.get(f"{SET}/job_0")

    differs = {"correlation_id", "instance"}
    assert {name: value for name, value in missing.json().items() if name not in differs} == {
        name: value for name, value in malformed.json().items() if name not in differs
    }


async def test_head_of_a_missing_job_has_no_body(client: httpx.AsyncClient) -> None:
    answer = await client.head(MISSING)

    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", SET, {"POST"}),
        ("DELETE", f"{MISSING}/events", {"GET", "HEAD"}),
        ("PUT", MISSING, {"GET", "HEAD"}),
        ("POST", f"{MISSING}/results", {"GET", "HEAD"}),
        ("POST", "/health/live", {"GET", "HEAD"}),
    ],
)
async def test_a_405_names_the_methods_there_are(
    client: httpx.AsyncClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = await client.request(method, path)

    assert answer.status_code == 405
    assert set(answer.headers["allow"].replace(" ", "").split(",")) >= allowed


@pytest.mark.parametrize("given", [GIVEN, "a", "trace:1/2+3=4@host.example", "x" * 128])
async def test_a_well_formed_correlation_id_is_taken(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/health/live", headers={"X-Correlation-ID": given})

    assert answer.headers["x-correlation-id"] == given


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, '<script>"', "a,b", "ü".encode()])
async def test_another_correlation_id_is_made_where_the_given_one_is_not_well_formed(
    client: httpx.AsyncClient, given: str | bytes
) -> None:
    answer = await client.get("/health/live", headers=[(b"X-Correlation-ID", given)])  # pyright: ignore[reportArgumentType]

    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-correlation-id"])


async def test_a_correlation_id_is_made_anew_for_each_request(client: httpx.AsyncClient) -> None:
    first, second = await client.get("/health/live"), await client.get("/health/live")

    assert first.headers["x-correlation-id"] != second.headers["x-correlation-id"]


async def test_the_correlation_id_is_on_every_kind_of_answer(client: httpx.AsyncClient, ended: Job) -> None:
    given = {"X-Correlation-ID": GIVEN}
    quiet = (await quiet_job(client)).json()
    answers = [
        await client.get(quiet["links"]["self"], headers=given),
        await client.get(quiet["links"]["self"], headers=given | {"If-None-Match": "*"}),
        await client.get(quiet["links"]["self"], params={"wait": 1}, headers=given),
        await client.get(MISSING, headers=given),
        await client.put(MISSING, headers=given),
        await client.get("/nowhere", headers=given),
        await client.post(SET, headers=given),
        await client.get(ended["links"]["results"], headers=given),
        await client.get(ended["links"]["events"], headers=given | {"Last-Event-ID": str(ended["version"])}),
    ]
    async with open_events(client, quiet["links"]["events"], headers=given) as stream:
        answers.append(stream.response)

    assert [answer.status_code for answer in answers] == [200, 304, 200, 404, 405, 404, 415, 200, 204, 200]
    assert {answer.headers["x-correlation-id"] for answer in answers} == {GIVEN}
    assert {answer.headers["x-api-version"] for answer in answers} == {"2026-11-23"}


async def test_the_correlation_id_is_in_the_log(client: httpx.AsyncClient, service: Service) -> None:
    given = {"X-Correlation-ID": "found-in-every-line"}

    await client.get(MISSING, headers=given)

    lines = [line for line in service.workers[0].log.read_text().splitlines() if "found-in-every-line" in line]
    assert lines
    assert [line for line in lines if '"status": 404' not in line] == []


async def test_json_and_pages_are_not_to_be_guessed_at(client: httpx.AsyncClient, ended: Job) -> None:
    answers = [
        await client.get(ended["links"]["self"]),
        await client.get(ended["links"]["results"]),
        await client.get(MISSING),
        await client.get("/problems"),
    ]

    guards = [(one.headers["x-content-type-options"], one.headers["referrer-policy"]) for one in answers]
    assert guards == [("nosniff", "no-referrer")] * 4
