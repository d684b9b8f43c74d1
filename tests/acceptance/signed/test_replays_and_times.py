"""A signature is good once, for 300 s, and as long as its key."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from running.figures import until_figure
from running.forging import signed
from running.jobs import SIGNED_SET, Job, batch
from running.raw import RawAnswer
from running.signing import Credentials, new_client, signing_client
from running.stored import Store

WITHIN = 5.0  # seconds in which a key that ends is refused on every node, by the contract
ASK_EVERY = 0.1  # seconds


def rule_of(answer: RawAnswer) -> str:
    """The rule that a refused request broke."""
    assert (answer.status, answer.code) == (401, "invalid_signature")
    return answer.headers["www-authenticate"].rpartition('rule="')[2].rstrip('"')


@pytest.fixture
def job_path(owned: Job) -> str:
    return owned["links"]["self"]


@pytest.fixture
async def mortal(database_url: str) -> Credentials:
    """The first key of a client of the test's own."""
    return await new_client(database_url, "mortal")


@pytest.fixture
async def mortal_signer(mortal: Credentials, here: str) -> AsyncIterator[httpx.AsyncClient]:
    async with signing_client(here, mortal) as asking:
        yield asking


async def until_refused(credentials: Credentials, url: str) -> float:
    """Ask a node again and again until it refuses a key; how many seconds that took."""
    began = time.monotonic()
    while (answer := await signed(credentials, url, "/api/v1/whoami").sent(url)).status == 200:
        assert time.monotonic() - began < 3 * WITHIN, "the key is still good"
        await asyncio.sleep(ASK_EVERY)
    assert rule_of(answer) == "signature"
    return time.monotonic() - began


@pytest.mark.parametrize("again", ["the same node", "another node"])
async def test_a_request_that_is_sent_again_is_refused(
    owner: Credentials, here: str, there: str, job_path: str, again: str
) -> None:
    # Signed for one name of the service under which both workers take it.
    wire = signed(owner, here, job_path)

    first = await wire.sent(here)
    second = await wire.sent(here if again == "the same node" else there)

    assert first.status == 200
    assert rule_of(second) == "replayed"


async def test_a_nonce_is_good_once_whatever_is_signed_with_it(owner: Credentials, here: str, job_path: str) -> None:
    nonce = "a" * 32

    answers = [await signed(owner, here, path, nonce=nonce).sent(here) for path in (job_path, "/api/v1/whoami")]

    assert answers[0].status == 200
    assert rule_of(answers[1]) == "replayed"


async def test_two_clients_may_use_the_same_nonce(owner: Credentials, stranger: Credentials, here: str) -> None:
    nonce = "b" * 32

    answers = [await signed(who, here, "/api/v1/whoami", nonce=nonce).sent(here) for who in (owner, stranger)]

    assert [answer.status for answer in answers] == [200, 200]


async def test_of_many_that_are_sent_at_once_to_both_nodes_one_passes(
    owner: Credentials, here: str, there: str, store: Store
) -> None:
    wire = signed(owner, here, SIGNED_SET, method="POST", body=httpx.Request("POST", here, json=batch(1)).content)
    before = await store.submitted()

    answers = await asyncio.gather(*(wire.sent(url) for url in [here, there] * 10))

    assert sorted(answer.status for answer in answers) == [202] + [401] * 19
    assert (await store.submitted()).jobs == before.jobs + 1


@pytest.mark.parametrize("length", [16, 128])
async def test_a_nonce_of_any_allowed_length_is_taken(
    owner: Credentials, here: str, job_path: str, length: int
) -> None:
    answer = await signed(owner, here, job_path, nonce=f"{time.monotonic_ns():x}".zfill(length)[-length:]).sent(here)

    assert answer.status == 200


@pytest.mark.parametrize("nonce", ["", "a" * 15, "a" * 129])
async def test_a_nonce_that_is_too_short_or_too_long_is_refused(
    owner: Credentials, here: str, job_path: str, nonce: str
) -> None:
    answer = await signed(owner, here, job_path, nonce=nonce).sent(here)

    assert rule_of(answer) == "nonce"


# The edges are 300 s: a busy machine may take some seconds to send, which bring an old time closer to its edge, and a
# coming one away from it.
@pytest.mark.parametrize("ahead", [-290, -1, 1, 299])
async def test_a_clock_that_is_a_little_off_is_borne_with(
    owner: Credentials, here: str, job_path: str, ahead: int
) -> None:
    answer = await signed(owner, here, job_path, ahead=ahead).sent(here)

    assert answer.status == 200


@pytest.mark.parametrize("ahead", [-301, 310, -86_400, 86_400, -1e9])
async def test_a_signature_of_another_time_is_refused(
    owner: Credentials, here: str, job_path: str, ahead: float
) -> None:
    answer = await signed(owner, here, job_path, ahead=ahead).sent(here)

    assert rule_of(answer) == "created"


@pytest.mark.parametrize(("after", "status"), [(30, 200), (0, 401), (-1, 401), (-60, 401)])
async def test_an_end_has_no_skew(owner: Credentials, here: str, job_path: str, after: int, status: int) -> None:
    answer = await signed(owner, here, job_path, expires=int(time.time()) + after).sent(here)

    assert answer.status == status
    assert status == 200 or rule_of(answer) == "expires"


async def test_a_key_that_is_revoked_is_refused_at_once_here_and_within_5_s_elsewhere(
    mortal_signer: httpx.AsyncClient, mortal: Credentials, here: str, there: str
) -> None:
    known = [await signed(mortal, url, "/api/v1/whoami").sent(url) for url in (here, there)]

    gone = await mortal_signer.delete(f"/api/v1/keys/{mortal.key_id}")
    at_once = await signed(mortal, here, "/api/v1/whoami").sent(here)
    took = await until_refused(mortal, there)

    assert [answer.status for answer in known] == [200, 200]
    assert gone.status_code == 204
    assert rule_of(at_once) == "signature"
    assert took < WITHIN


async def test_a_key_that_has_expired_is_refused_on_every_node(
    mortal_signer: httpx.AsyncClient, mortal: Credentials, here: str, there: str
) -> None:
    made = (await mortal_signer.post("/api/v1/keys", json={"expires_in": 1.5})).json()
    short = Credentials(mortal.client_id, made["id"], made["secret"])

    took = await asyncio.gather(*(until_refused(short, url) for url in (here, there)))

    assert max(took) < 1.5 + WITHIN


async def test_a_wait_of_a_key_that_is_revoked_meanwhile_is_not_answered_with_the_state(
    client: httpx.AsyncClient, mortal_signer: httpx.AsyncClient, mortal: Credentials, here: str
) -> None:
    await until_figure(client, 0, "polling_held", transport="wait")
    job = (await mortal_signer.post(SIGNED_SET, json=batch(1, script="in_progress 3s, succeeded"))).json()
    waiting = asyncio.create_task(signed(mortal, here, f"{job['links']['self']}?wait=20&until=terminal").sent(here))
    await until_figure(client, 1, "polling_held", transport="wait")

    await mortal_signer.delete(f"/api/v1/keys/{mortal.key_id}")
    answer = await waiting

    assert rule_of(answer) == "signature"
    assert b'"status":"succeeded"' not in answer.body


async def test_a_submit_that_waits_when_its_key_is_revoked_is_answered_with_what_was_stored(
    client: httpx.AsyncClient, mortal_signer: httpx.AsyncClient, mortal: Credentials
) -> None:
    await until_figure(client, 0, "polling_held", transport="wait")
    body = batch(1, script="in_progress 3s, succeeded")
    waiting = asyncio.create_task(mortal_signer.post(SIGNED_SET, json=body, headers={"Prefer": "wait=20"}))
    await until_figure(client, 1, "polling_held", transport="wait")

    await mortal_signer.delete(f"/api/v1/keys/{mortal.key_id}")
    answer = await waiting

    assert (answer.status_code, answer.json()["status"], answer.json()["version"]) == (202, "queued", 1)


async def test_a_signed_stream_ends_when_its_key_is_revoked(
    mortal_signer: httpx.AsyncClient, mortal: Credentials
) -> None:
    job = (await mortal_signer.post(SIGNED_SET, json=batch(1, script="in_progress 60s, succeeded"))).json()
    async with mortal_signer.stream("GET", job["links"]["events"]) as stream:
        chunks = stream.aiter_raw()
        await anext(chunks)

        await mortal_signer.delete(f"/api/v1/keys/{mortal.key_id}")
        async with asyncio.timeout(2 * WITHIN):
            rest = b"".join([chunk async for chunk in chunks])

    assert b'"status":"succeeded"' not in rest
