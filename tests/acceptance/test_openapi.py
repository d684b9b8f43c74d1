"""The OpenAPI document: complete, true of real answers, and its examples valid."""

import json

import httpx
import pytest

from polling_api.api.codes import KINDS
from polling_api.api.shapes import JobDocument, ProblemDocument, ResultListDocument
from polling_api.api.submission_shapes import SubmissionDocument
from running.jobs import QUICK, QUIET, SET, Job, batch, ended_job, submit, until_terminal
from running.openapi import Document, Told, answers_of, broken_rules, examples, operations, resolved

ONE = f"{SET}/{{job_id}}"
EVENTS = f"{ONE}/events"
RESULTS = f"{ONE}/results"
MISSING = f"{SET}/job_{'0' * 32}"
MANY_EVENTS, CANCEL, HISTORY = f"{SET}/events", f"{ONE}/cancel", f"{ONE}/history"
SIGNED_SET = "/api/v1/batch-status"
LINES = {"Content-Type": "application/x-ndjson"}

OF_A_SET = {
    "": {"post"},
    "/events": {"get", "head"},
    "/batch-get": {"post"},
    "/{job_id}": {"get", "head", "delete"},
    "/{job_id}/cancel": {"post"},
    "/{job_id}/history": {"get", "head"},
    "/{job_id}/events": {"get", "head"},
    "/{job_id}/results": {"get", "head"},
}
OPERATIONS = {
    **{f"{SET}{path}": methods for path, methods in OF_A_SET.items()},
    **{f"{SIGNED_SET}{path}": methods for path, methods in OF_A_SET.items()},
    SIGNED_SET: {"get", "head", "post"},
    "/api/v1/whoami": {"get", "head"},
    "/api/v1/keys": {"get", "head", "post"},
    "/api/v1/keys/{key_id}": {"delete"},
    "/api/v1/keys/{key_id}/rotate": {"post"},
    "/api/v1/access-tokens": {"post"},
    "/api/v1/audit": {"get", "head"},
    "/api/v1/webhook-endpoints": {"get", "head", "post"},
    "/api/v1/webhook-endpoints/{endpoint_id}": {"get", "head", "patch", "delete"},
    "/api/v1/webhook-endpoints/{endpoint_id}/rotate-secret": {"post"},
    "/api/v1/webhook-endpoints/{endpoint_id}/test": {"post"},
    "/api/v1/webhook-deliveries": {"get", "head"},
    "/api/v1/webhook-deliveries/replay": {"post"},
    "/api/v1/webhook-deliveries/{delivery_id}": {"get", "head"},
    "/api/v1/webhook-deliveries/{delivery_id}/replay": {"post"},
    "/health/live": {"get", "head"},
    "/health/ready": {"get", "head"},
    "/metrics": {"get", "head"},
    "/problems": {"get", "head"},
    "/problems/{code}": {"get", "head"},
}
OF_A_READ = {"job_id", "fields", "wait", "until", "prefer", "if-none-match", "if-modified-since"}
PARAMETERS: dict[tuple[str, str], set[str]] = {
    ("post", SET): {"wait", "prefer", "idempotency-key"},
    ("get", MANY_EVENTS): {"ids", "fields", "access_token", "last_event_id", "last-event-id", "refusals"},
    ("get", f"{SIGNED_SET}/events"): {"ids", "fields", "last_event_id", "last-event-id", "refusals"},
    ("get", f"{SIGNED_SET}/{{job_id}}/events"): {"job_id", "fields", "last_event_id", "last-event-id", "refusals"},
    ("get", ONE): OF_A_READ,
    ("head", ONE): OF_A_READ,
    ("delete", ONE): {"job_id"},
    ("post", CANCEL): {"job_id"},
    ("get", HISTORY): {"job_id", "fields", "limit", "cursor"},
    ("get", EVENTS): {"job_id", "fields", "access_token", "last_event_id", "last-event-id", "refusals"},
    ("get", RESULTS): {"job_id", "after", "limit", "outcome", "fields", "if-none-match"},
    ("get", SIGNED_SET): {"status", "fields", "created_after", "limit", "cursor", "if-none-match"},
    ("get", "/api/v1/keys"): {"fields", "limit", "cursor"},
    ("delete", "/api/v1/keys/{key_id}"): {"key_id"},
    ("get", "/api/v1/audit"): {"fields", "limit", "cursor"},
    ("get", "/api/v1/whoami"): {"fields"},
    ("get", "/api/v1/webhook-endpoints"): {"fields", "limit", "cursor"},
    ("get", "/api/v1/webhook-endpoints/{endpoint_id}"): {"endpoint_id", "fields"},
    ("get", "/api/v1/webhook-deliveries/{delivery_id}"): {"delivery_id", "fields"},
    ("get", "/health/live"): set(),
    ("get", "/problems/{code}"): {"code"},
}
OF_ALL = {"400", "405", "408", "414", "421", "431", "500", "501", "505"}
OF_A_TOKEN = {"401", "403"}
OF_A_WRITE = {"403"}
OF_A_BODY = {"413", "415", "422"}
CODES = [
    ("post", SET, {"200", "202", "406", "409", "503"} | OF_A_BODY | OF_A_TOKEN),
    ("get", MANY_EVENTS, {"200", "204", "404", "406", "422", "503"} | OF_A_TOKEN),
    ("get", ONE, {"200", "304", "404", "406", "422", "503"} | OF_A_TOKEN),
    ("head", ONE, {"200", "304", "404", "406", "422", "503"} | OF_A_TOKEN),
    ("delete", ONE, {"204", "404", "409", "415", "503"} | OF_A_TOKEN),
    ("post", CANCEL, {"202", "404", "406", "409", "415", "503"} | OF_A_TOKEN),
    ("get", HISTORY, {"200", "404", "406", "415", "422", "503"} | OF_A_TOKEN),
    ("get", EVENTS, {"200", "204", "404", "406", "422", "503"} | OF_A_TOKEN),
    ("get", RESULTS, {"200", "304", "404", "406", "409", "410", "412", "415", "422", "503"} | OF_A_TOKEN),
    ("get", SIGNED_SET, {"200", "304", "401", "406", "415", "422", "503"}),
    ("get", "/api/v1/whoami", {"200", "401", "406", "415", "422", "503"}),
    ("get", "/api/v1/keys", {"200", "401", "406", "415", "422", "503"}),
    ("post", "/api/v1/keys", {"201", "401", "406", "409", "503"} | OF_A_BODY | OF_A_WRITE),
    ("delete", "/api/v1/keys/{key_id}", {"204", "401", "404", "415", "503"} | OF_A_WRITE),
    ("post", "/api/v1/access-tokens", {"201", "401", "404", "406", "503"} | OF_A_BODY | OF_A_WRITE),
    ("get", "/api/v1/audit", {"200", "401", "406", "415", "422", "503"}),
    ("get", "/health/live", {"200"}),
    ("get", "/health/ready", {"200", "503"}),
    ("get", "/metrics", {"200"}),
    ("get", "/problems", {"200"}),
    ("get", "/problems/{code}", {"200", "404"}),
]


@pytest.fixture(scope="module")
def document(told: Told) -> Document:
    """As the service gives it out."""
    return told.document


@pytest.fixture(scope="module")
async def ended(client: httpx.AsyncClient) -> Job:
    """A job that has ended with all kinds of items."""
    return await ended_job(client, "in_progress 0.05s @50% fail=1, expired", items=4)


def test_every_operation_is_in_it(document: Document) -> None:
    assert {path: set(operations) for path, operations in document["paths"].items()} == OPERATIONS


def test_every_operation_has_an_id_of_its_own_and_says_what_it_does(document: Document) -> None:
    told = [operation for _, _, operation in operations(document)]

    ids = [operation["operationId"] for operation in told]
    assert len(set(ids)) == len(ids)
    assert [one["operationId"] for one in told if not (one.get("summary") and one.get("description"))] == []


@pytest.mark.parametrize(("method", "path"), PARAMETERS)
def test_every_parameter_is_in_it(document: Document, method: str, path: str) -> None:
    told = [resolved(document, one) for one in document["paths"][path][method]["parameters"]]

    assert {parameter["name"].lower() for parameter in told} == PARAMETERS[method, path] | {"x-correlation-id"}
    assert [parameter["name"] for parameter in told if not parameter.get("description")] == []
    assert [parameter["name"] for parameter in told if "null" in str(parameter["schema"])] == []


def test_every_number_among_parameters_says_where_it_begins(document: Document) -> None:
    schemas = {name: one["schema"] for name, one in document["components"]["parameters"].items()}
    numbers = {name: schema for name, schema in schemas.items() if schema.get("type") == "integer"}

    assert len(numbers) > 3
    assert [name for name, schema in numbers.items() if "minimum" not in schema] == []


@pytest.mark.parametrize(("method", "path", "codes"), CODES)
def test_every_status_is_in_it_and_no_other(document: Document, method: str, path: str, codes: set[str]) -> None:
    limited = {"429"} if path.startswith("/api/") else set[str]()
    assert set(document["paths"][path][method]["responses"]) == codes | OF_ALL | limited


def test_every_refusal_is_a_problem(document: Document) -> None:
    refusals = {
        f"{method} {path} {status}": set(answer.get("content", {}))
        for path, method, operation in operations(document)
        for status, answer in answers_of(document, operation).items()
        if int(status) >= 400 and (path, status) != ("/health/ready", "503")
    }

    assert {where: media for where, media in refusals.items() if media != {"application/problem+json"}} == {}


def test_every_code_of_a_problem_is_in_it(document: Document) -> None:
    told = {
        code
        for _, _, operation in operations(document)
        for answer in answers_of(document, operation).values()
        for code in answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
    }

    assert told == set(KINDS) == set(document["components"]["examples"])


def test_what_several_operations_have_is_said_once(document: Document) -> None:
    kinds = ("responses", "parameters", "headers", "links")
    shared = [f"#/components/{kind}/{name}" for kind in kinds for name in document["components"][kind]]
    text = json.dumps(document)

    assert [reference for reference in shared if f'"{reference}"' not in text] == []
    assert len(json.dumps(document, indent=2).splitlines()) < 250 * len([*operations(document)])


def test_a_job_that_was_submitted_leads_to_all_that_can_be_done_with_it(document: Document) -> None:
    links = document["paths"][SET]["post"]["responses"]["202"]["links"].values()
    targets = {resolved(document, link)["operationId"] for link in links}
    takers = {
        operation["operationId"]
        for path, method, operation in operations(document)
        # A link can fill in a parameter; the ids of a batch-get are in its body.
        if path.startswith(f"{SET}/") and method != "head" and not path.endswith("/batch-get")
    }

    assert targets == takers


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


async def test_it_is_true_of_answers_about_a_job(client: httpx.AsyncClient, told: Told, quiet: Job, ended: Job) -> None:
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
        await client.get(here, headers={"Accept": "text/html"}),
        await client.put(here),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 304, 304, 200, 404, 422, 406, 405]
    assert [lie for answer in answers for lie in told.lies_about(answer)] == []


async def test_it_is_true_of_answers_to_a_submit(client: httpx.AsyncClient, told: Told) -> None:
    again = {"Idempotency-Key": "the-same-twice-for-the-document"}
    answers = [
        await client.post(SET, json=batch(script=QUIET), headers=again),
        await client.post(SET, json=batch(script=QUIET), headers=again),
        await client.post(SET, json=batch(3, script=QUIET), headers=again),
        await client.post(SET, json=batch(script=QUIET), headers={"Prefer": "wait=0"}),
        await client.post(SET, json=batch(script=QUICK), headers={"Prefer": "wait=20"}),
        await client.post(SET, json=batch(0)),
        await client.post(SET, content=b"{", headers={"Content-Type": "application/json"}),
        await client.post(SET, content=b"{}"),
    ]

    assert [answer.status_code for answer in answers] == [202, 202, 422, 202, 200, 422, 400, 415]
    assert [lie for answer in answers for lie in told.lies_about(answer)] == []


async def test_it_is_true_of_answers_about_events(
    client: httpx.AsyncClient, told: Told, quiet: Job, ended: Job
) -> None:
    both = {"ids": ended["id"]}
    answers = [
        await client.get(ended["links"]["events"]),
        await client.head(quiet["links"]["events"]),
        await client.get(ended["links"]["events"], headers={"Last-Event-ID": str(ended["version"])}),
        await client.get(f"{MISSING}/events"),
        await client.get(MANY_EVENTS, params=both),
        await client.head(MANY_EVENTS, params=both),
        await client.get(MANY_EVENTS),
        await client.delete(MANY_EVENTS),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 204, 404, 200, 200, 422, 405]
    assert [lie for answer in answers for lie in told.lies_about(answer)] == []


async def test_it_is_true_of_answers_in_pages(client: httpx.AsyncClient, told: Told, quiet: Job, ended: Job) -> None:
    results, history = ended["links"]["results"], f"{ended['links']['self']}/history"
    answers = [
        await client.get(results),
        await client.get(results, params={"limit": 1}),
        await client.head(results),
        await client.get(quiet["links"]["results"]),
        await client.get(f"{MISSING}/results"),
        await client.get(results, params={"limit": 0}),
        await client.get(history),
        await client.get(history, params={"limit": 1}),
        await client.get(history, params={"cursor": "made up"}),
        await client.get(f"{MISSING}/history"),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 409, 404, 422, 200, 200, 400, 404]
    assert [lie for answer in answers for lie in told.lies_about(answer)] == []


async def test_it_is_true_of_answers_to_those_who_end_jobs(client: httpx.AsyncClient, told: Told) -> None:
    job = await submit(client, QUIET)
    answers = [
        await client.delete(job["links"]["self"]),
        await client.post(job["links"]["cancel"]),
        await client.post(f"{MISSING}/cancel"),
    ]
    done = await until_terminal(client, job)
    answers.append(await client.post(done["links"]["cancel"]))
    answers.append(await client.delete(done["links"]["self"]))
    answers.append(await client.delete(done["links"]["self"]))

    assert [answer.status_code for answer in answers] == [409, 202, 404, 202, 204, 404]
    assert [lie for answer in answers for lie in told.lies_about(answer)] == []


async def test_it_is_true_of_answers_to_operators_and_readers(client: httpx.AsyncClient, told: Told) -> None:
    paths = ["/health/live", "/health/ready", "/metrics", "/problems", "/problems/internal", "/problems/none"]

    answers = [await client.get(path) for path in paths]

    assert [lie for answer in answers for lie in told.lies_about(answer)] == []


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
    assert SubmissionDocument.model_validate(submission).model_dump(mode="json", exclude_unset=True) == submission


async def test_there_is_a_page_to_read_it(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
