"""The OpenAPI document: complete, true of real answers, and its examples valid."""

import httpx
import pytest

from polling_api.api.codes import KINDS
from polling_api.api.shapes import JobDocument, ProblemDocument, ResultListDocument, SubmissionDocument
from running.jobs import QUICK, QUIET, SET, Job, batch, ended_job
from running.openapi import Document, broken_rules, examples, untold

ONE = f"{SET}/{{job_id}}"
EVENTS = f"{ONE}/events"
RESULTS = f"{ONE}/results"
MISSING = f"{SET}/job_{'0' * 32}"
MANY_EVENTS, CANCEL, HISTORY = f"{SET}/events", f"{ONE}/cancel", f"{ONE}/history"
LINES = {"Content-Type": "application/x-ndjson"}

OPERATIONS = {
    SET: {"post"},
    MANY_EVENTS: {"get", "head"},
    ONE: {"get", "head", "delete"},
    CANCEL: {"post"},
    HISTORY: {"get", "head"},
    EVENTS: {"get", "head"},
    RESULTS: {"get", "head"},
    "/health/live": {"get", "head"},
    "/health/ready": {"get", "head"},
    "/metrics": {"get", "head"},
    "/problems": {"get", "head"},
    "/problems/{code}": {"get", "head"},
}
PARAMETERS = [
    ("post", SET, {"wait", "prefer", "idempotency-key"}),
    ("get", MANY_EVENTS, {"ids", "last_event_id", "last-event-id"}),
    ("get", HISTORY, {"job_id", "limit", "cursor"}),
    ("get", ONE, {"job_id", "wait", "until", "prefer", "if-none-match", "if-modified-since"}),
    ("head", ONE, {"job_id", "wait", "until", "prefer", "if-none-match", "if-modified-since"}),
    ("get", EVENTS, {"job_id", "last_event_id", "last-event-id"}),
    ("get", RESULTS, {"job_id", "after", "limit"}),
]
CODES = [
    ("post", SET, {"200", "202", "400", "403", "413", "415", "422", "503"}),
    ("get", ONE, {"200", "304", "404", "422", "503"}),
    ("head", ONE, {"200", "304", "404", "422", "503"}),
    ("get", EVENTS, {"200", "204", "404", "503"}),
    ("get", RESULTS, {"200", "404", "409", "410", "422", "503"}),
    ("get", "/health/ready", {"200", "503"}),
    ("get", "/problems/{code}", {"200", "404"}),
]


@pytest.fixture(scope="module")
async def document(client: httpx.AsyncClient) -> Document:
    """As the service gives it out."""
    answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    return answer.json()


@pytest.fixture(scope="module")
async def ended(client: httpx.AsyncClient) -> Job:
    """A job that has ended with all kinds of items."""
    return await ended_job(client, "in_progress 0.05s @50% fail=1, expired", items=4)


def test_every_operation_is_in_it(document: Document) -> None:
    assert {path: set(operations) for path, operations in document["paths"].items()} == OPERATIONS


def test_every_operation_has_an_id_of_its_own_and_says_what_it_does(document: Document) -> None:
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]

    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    assert [one["operationId"] for one in operations if not (one.get("summary") and one.get("description"))] == []


@pytest.mark.parametrize(("method", "path", "names"), PARAMETERS)
def test_every_parameter_is_in_it(document: Document, method: str, path: str, names: set[str]) -> None:
    told = document["paths"][path][method]["parameters"]

    assert {parameter["name"].lower() for parameter in told} == names
    assert [parameter["name"] for parameter in told if not parameter.get("description")] == []


@pytest.mark.parametrize(("method", "path", "codes"), CODES)
def test_every_status_is_in_it(document: Document, method: str, path: str, codes: set[str]) -> None:
    assert codes <= set(document["paths"][path][method]["responses"])


def test_every_refusal_is_a_problem(document: Document) -> None:
    refusals = {
        f"{method} {path} {status}": set(answer.get("content", {}))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for status, answer in operation["responses"].items()
        if int(status) >= 400 and not path.startswith("/health")
    }

    assert {where: media for where, media in refusals.items() if media != {"application/problem+json"}} == {}


def test_every_code_of_a_problem_is_in_it(document: Document) -> None:
    told = set(document["components"]["schemas"]["Problem"]["properties"]["code"].get("enum", ())) | {
        code
        for methods in document["paths"].values()
        for operation in methods.values()
        for answer in operation["responses"].values()
        for code in answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
    }

    assert set(KINDS) - told == set()


def test_both_formats_of_a_submit_are_in_it_with_an_example(document: Document) -> None:
    content = document["paths"][SET]["post"]["requestBody"]["content"]

    places = [place for place, _, _ in examples(document) if "Submission/examples" in place or "x-ndjson" in place]
    assert set(content) == {"application/json", "application/x-ndjson"}
    assert len(places) >= 2


def test_every_example_is_valid(document: Document) -> None:
    found = [(place, broken_rules(document, schema, value)) for place, schema, value in examples(document)]

    assert len(found) > 20
    assert [(place, broken) for place, broken in found if broken] == []


async def test_the_examples_of_a_submit_can_be_sent(client: httpx.AsyncClient, document: Document) -> None:
    content = document["paths"][SET]["post"]["requestBody"]["content"]
    in_json = document["components"]["schemas"]["Submission"]["examples"][0]
    in_lines = content["application/x-ndjson"]["example"]

    answers = [await client.post(SET, json=in_json), await client.post(SET, content=in_lines, headers=LINES)]

    assert [answer.status_code for answer in answers] == [202, 202]


async def test_it_says_all_there_is_in_answers_about_a_job(
    client: httpx.AsyncClient, document: Document, quiet: Job, ended: Job
) -> None:
    here, there = quiet["links"]["self"], ended["links"]["self"]
    answers = [
        await client.get(here),
        await client.head(here),
        await client.get(here, params={"wait": 0}),
        await client.get(here, headers={"If-None-Match": "*"}),
        await client.head(here, headers={"If-None-Match": "*", "Prefer": "wait=1"}),
        await client.get(there),
        await client.get(MISSING),
        await client.get(here, params={"wait": "soon"}),
    ]

    assert [told for answer in answers for told in untold(document, ONE, answer)] == []


async def test_it_says_all_there_is_in_answers_to_a_submit(client: httpx.AsyncClient, document: Document) -> None:
    answers = [
        await client.post(SET, json=batch(script=QUIET)),
        await client.post(SET, json=batch(script=QUIET), headers={"Prefer": "wait=0"}),
        await client.post(SET, json=batch(script=QUICK), headers={"Prefer": "wait=20"}),
        await client.post(SET, json=batch(0)),
        await client.post(SET, content=b"{", headers={"Content-Type": "application/json"}),
        await client.post(SET, content=b"{}"),
    ]

    assert [answer.status_code for answer in answers] == [202, 202, 200, 422, 400, 415]
    assert [told for answer in answers for told in untold(document, SET, answer)] == []


async def test_it_says_all_there_is_in_answers_about_events(
    client: httpx.AsyncClient, document: Document, quiet: Job, ended: Job
) -> None:
    answers = [
        await client.get(ended["links"]["events"]),
        await client.head(quiet["links"]["events"]),
        await client.get(ended["links"]["events"], headers={"Last-Event-ID": str(ended["version"])}),
        await client.get(f"{MISSING}/events"),
    ]

    assert [told for answer in answers for told in untold(document, EVENTS, answer)] == []


async def test_it_says_all_there_is_in_answers_about_results(
    client: httpx.AsyncClient, document: Document, quiet: Job, ended: Job
) -> None:
    answers = [
        await client.get(ended["links"]["results"]),
        await client.get(ended["links"]["results"], params={"limit": 1}),
        await client.head(ended["links"]["results"]),
        await client.get(quiet["links"]["results"]),
        await client.get(f"{MISSING}/results"),
        await client.get(ended["links"]["results"], params={"limit": 0}),
    ]

    assert [told for answer in answers for told in untold(document, RESULTS, answer)] == []


async def test_it_says_all_there_is_in_answers_to_operators_and_readers(
    client: httpx.AsyncClient, document: Document
) -> None:
    paths = ["/health/live", "/health/ready", "/metrics", "/problems"]

    answers = [(path, await client.get(path)) for path in paths]
    answers.append(("/problems/{code}", await client.get("/problems/internal")))
    answers.append(("/problems/{code}", await client.get("/problems/none")))

    assert [told for path, answer in answers for told in untold(document, path, answer)] == []


async def test_the_models_hold_what_real_bodies_hold_and_no_less(
    client: httpx.AsyncClient, quiet: Job, ended: Job
) -> None:
    results = (await client.get(ended["links"]["results"])).json()
    problem = (await client.post(SET, json={"requests": []})).json()
    submission = batch(script=QUICK, endpoint="/v1/chat/completions", expires_in=60.0)

    assert JobDocument.model_validate(quiet).model_dump(mode="json") == quiet
    assert JobDocument.model_validate(ended).model_dump(mode="json") == ended
    assert ResultListDocument.model_validate(results).model_dump(mode="json") == results
    assert ProblemDocument.model_validate(problem).model_dump(mode="json", exclude_unset=True) == problem
    assert SubmissionDocument.model_validate(submission).model_dump(mode="json") == submission


async def test_there_is_a_page_to_read_it(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
