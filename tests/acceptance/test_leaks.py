"""Contract: no secret, no credentials and no body reach a log, an error or a metric, in whatever way a request fails.

The clients of the other tests are searched as these are; here every way is gone once, on purpose.
"""

import base64
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from running.asking import asking
from running.jobs import SET, Job, batch, ended_job
from running.planted import MODEL, PLANTED, fail_for
from running.raw import ask
from running.service import Service
from running.signing import Credentials, Signed, new_client, signing_client

SIGNED_SET = "/api/v1/batch-status"
WHOAMI = "/api/v1/whoami"
TOKENS = "/api/v1/access-tokens"
NOT_A_TOKEN = PLANTED.plant("made-up token", "pat_3b1cmade-up-and-never-given-out.signature")
NOT_A_KEY = PLANTED.plant("idempotency key", "77e0-an-idempotency-key-of-mine")
BASIC = PLANTED.plant("credentials", base64.b64encode(b"somebody:8d2f-a-password").decode())


@pytest.fixture(scope="module")
async def credentials(database_url: str) -> Credentials:
    return await new_client(database_url)


@pytest.fixture(scope="module")
async def signer(service: Service, credentials: Credentials) -> AsyncIterator[httpx.AsyncClient]:
    async with signing_client(service.url, credentials) as client:
        yield client


@pytest.fixture(scope="module")
async def token(signer: httpx.AsyncClient) -> str:
    answer = await signer.post(TOKENS, json={"jobs": "all", "scopes": ["status"], "expires_in": 600})
    assert answer.status_code == 201, answer.text
    return answer.json()["token"]


@pytest.fixture(autouse=True)
def nothing_is_written_down(service: Service) -> Iterator[None]:
    """After each test, so that a leak is told of the test that made it."""
    logs = [child.log for child in service.children]
    lengths = {log: log.stat().st_size for log in logs}
    yield
    fail_for([leak for log in logs for leak in PLANTED.search(_since(log, lengths[log]), log.name)])
    assert any(log.stat().st_size > lengths[log] for log in logs), "nothing was logged at all"


def _since(log: Path, length: int) -> str:
    return log.read_bytes()[length:].decode(errors="backslashreplace")


async def test_signatures_and_keys_that_are_good(signer: httpx.AsyncClient) -> None:
    made = await signer.post("/api/v1/keys", json={"expires_in": 600})
    key = made.json()["id"]

    answers = [
        await signer.get(WHOAMI),
        await signer.get("/api/v1/keys"),
        await signer.post(f"/api/v1/keys/{key}/rotate", json={"overlap": 1}),
        await signer.delete(f"/api/v1/keys/{key}"),
        await signer.get(f"{SIGNED_SET}/job_{'0' * 32}"),
    ]

    assert made.status_code == 201
    assert [answer.status_code for answer in answers] == [200, 200, 201, 204, 404]


async def test_tokens_that_are_good(client: httpx.AsyncClient, token: str, ended: Job) -> None:
    borne = {"Authorization": f"Bearer {token}"}

    polled = await client.get(ended["links"]["self"], headers=borne)
    followed = await client.get(ended["links"]["events"], params={"access_token": token})
    refused = await client.post(ended["links"]["cancel"], headers=borne)
    misplaced = await client.get(ended["links"]["self"], params={"access_token": token})

    assert [answer.status_code for answer in (polled, followed, refused, misplaced)] == [200, 200, 409, 400]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {NOT_A_TOKEN}"},
        {"Authorization": f"Bearer {NOT_A_TOKEN} and more"},
        {"Authorization": f"Basic {BASIC}"},
        {"Authorization": NOT_A_TOKEN},
        {"Authorization": f"Signature {NOT_A_TOKEN}"},
        {"Cookie": f"session={NOT_A_TOKEN}"},
        {"X-Correlation-ID": f"<{NOT_A_TOKEN}>"},
        {"Prefer": f"wait={NOT_A_TOKEN}"},
        {"If-None-Match": f'"{NOT_A_TOKEN}"'},
        {"Last-Event-ID": NOT_A_TOKEN},
    ],
    ids=str,
)
async def test_credentials_that_are_none_and_those_that_stand_elsewhere(
    client: httpx.AsyncClient, ended: Job, headers: dict[str, str]
) -> None:
    answers = [await client.get(ended["links"][link], headers=headers) for link in ("self", "events", "results")]

    assert {answer.status_code for answer in answers} <= {200, 401}


@pytest.mark.parametrize(
    "field",
    [
        f"signature-input: sig1=({NOT_A_TOKEN}",
        f'signature-input: sig1=("@method");created=1;keyid="{NOT_A_TOKEN}";nonce="{NOT_A_KEY}"',
        f"signature: sig1=:{NOT_A_TOKEN}:",
        f"authorization: Bearer {NOT_A_TOKEN}",
        f"{NOT_A_TOKEN}",
        f"content-length: {NOT_A_TOKEN}",
        f"transfer-encoding: {NOT_A_TOKEN}",
    ],
)
async def test_requests_that_are_badly_signed_or_cannot_be_read(service: Service, field: str) -> None:
    sound = "signature: sig1=:AAAA:\r\n" if field.startswith("signature-input") else ""
    request = f"GET {WHOAMI} HTTP/1.1\r\nHost: 127.0.0.1\r\n{sound}{field}\r\n\r\n"

    answer = await ask(service.workers[0].port or 0, request.encode())

    assert answer.status in {400, 401}


async def test_a_signature_that_does_not_hold(service: Service, credentials: Credentials) -> None:
    wrong = Credentials(credentials.client_id, credentials.key_id, base64.b64encode(bytes(32)).decode())

    async with asking(service.url, auth=Signed(wrong)) as client:
        answers = [await client.get(WHOAMI), await client.post(SIGNED_SET, json=batch())]

    assert [answer.status_code for answer in answers] == [401, 401]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", '{"requests":[{"custom_id":"a","body":{"model":"%s"'),
        ("application/json", '{"requests":[{"custom_id":"a","body":"%s"}]}'),
        ("application/json", '{"requests":"%s"}'),
        ("application/json", '{"requests":[{"custom_id":["%s"],"body":{}}]}'),
        ("application/json", '{"requests":[{"custom_id":"a","body":{}}],"expires_in":"%s"}'),
        ("application/x-ndjson", '{"custom_id":"a","method":"%s"}'),
        ("application/x-ndjson", '{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":"%s"}'),
        ("application/x-ndjson", "%s"),
        ("text/plain", "%s"),
    ],
)
async def test_bodies_that_are_refused(client: httpx.AsyncClient, kind: str, body: str) -> None:
    answer = await client.post(SET, content=body % MODEL, headers={"Content-Type": kind})

    assert answer.status_code in {400, 415, 422}


async def test_bodies_and_keys_that_are_taken(client: httpx.AsyncClient) -> None:
    once = {"Idempotency-Key": NOT_A_KEY}
    body = batch(3, script="in_progress 0.1s, failed fail=1")

    taken = await client.post(SET, json=body, headers=once)
    again = await client.post(SET, json=body, headers=once)
    other = await client.post(SET, json=batch(), headers=once)
    job = await ended_job(client, "in_progress 0.1s @50%, succeeded @100% fail=1", items=3)
    results = await client.get(job["links"]["results"])

    assert [answer.status_code for answer in (taken, again, other)] == [202, 202, 422]
    assert MODEL in results.text, "the results hold what is looked for"


async def test_a_body_that_the_database_would_refuse(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": f"{NOT_A_KEY}-again"}

    answer = await client.post(SET, json=batch(metadata={"name": "\x00" + MODEL}), headers=key)

    assert answer.status_code == 422


async def test_what_anybody_may_ask_of_the_process(client: httpx.AsyncClient) -> None:
    answers = [await client.get(path) for path in ("/metrics", "/health/ready", "/openapi.json")]

    fail_for([leak for answer in answers for leak in PLANTED.search(answer.text, answer.request.url.path)])
