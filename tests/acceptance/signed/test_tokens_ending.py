"""Contract: what becomes of tokens that end, of the streams and waits that they opened, and of tokens in addresses."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from running.events import Event, open_events
from running.figures import until_figure
from running.jobs import QUIET, SET, Job, long_poll, submit
from running.signing import Credentials, new_client, signing_client
from running.tokens import bearer, bearing, simple, token_for

WITHIN = 5.0  # seconds in which a key that is revoked ends its tokens on every node, by the contract
ASK_EVERY = 0.1  # seconds


@pytest.fixture
def job(owned: Job) -> Job:
    """The owner's job, by its address in the simple set."""
    return simple(owned)


@pytest.fixture
async def mortal(database_url: str, here: str) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A client of the test's own, and the path at which its key is revoked."""
    credentials: Credentials = await new_client(database_url, "mortal")
    async with signing_client(here, credentials) as asking:
        yield asking, f"/api/v1/keys/{credentials.key_id}"


def assert_invalid(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


async def test_a_token_that_has_expired_is_refused(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, job: Job
) -> None:
    token = await token_for(signer, job, expires_in=1)
    good = await client.get(job["links"]["self"], headers=bearing(token))

    await asyncio.sleep(1.05)  # a second is the shortest life that there is

    assert good.status_code == 200
    assert_invalid(await client.get(job["links"]["self"], headers=bearing(token)))


async def test_a_stream_is_told_that_its_token_ends_and_ends_with_it(
    signer: httpx.AsyncClient, job: Job, here: str
) -> None:
    token = await token_for(signer, job, expires_in=1.5)
    began = time.monotonic()
    async with bearer(here, token) as asking, open_events(asking, job["links"]["events"]) as stream:
        first, reauth = await stream.event(), await stream.event()
        rest = await stream.rest()

    assert (first.event, reauth.event, rest) == ("job", "reauth", [])
    assert (reauth.job.keys(), reauth.id) == ({"expires_at"}, first.id)
    assert time.monotonic() - began >= 1.0


async def test_a_stream_of_many_jobs_does_too(signer: httpx.AsyncClient, job: Job, here: str) -> None:
    token = await token_for(signer, job, expires_in=1.5)
    async with bearer(here, token) as asking, open_events(asking, f"{SET}/events", params={"ids": job["id"]}) as stream:
        first, reauth = await stream.event(), await stream.event()
        rest = await stream.rest()

    assert (first.event, reauth.event, rest) == ("job", "reauth", [])
    assert reauth.id == first.id


async def test_a_stream_whose_token_has_long_to_live_is_told_nothing(
    signer: httpx.AsyncClient, job: Job, here: str
) -> None:
    token = await token_for(signer, job, expires_in=61.5)
    async with bearer(here, token) as asking, open_events(asking, job["links"]["events"]) as stream:
        first = await stream.event()
        early = [await stream.comment()]
        reauth = await stream.event()

    assert (first.event, len(early), reauth.event) == ("job", 1, "reauth")


async def test_a_wait_whose_token_ends_meanwhile_is_not_answered_with_the_state(
    signer: httpx.AsyncClient, here: str
) -> None:
    job = simple(await submit(signer, "in_progress 3s, succeeded"))
    token = await token_for(signer, job, expires_in=1)

    async with bearer(here, token) as asking:
        answer = await long_poll(asking, job, 20, until="terminal")

    assert_invalid(answer)


async def test_a_revoked_key_ends_its_tokens_at_once_here_and_within_5_s_elsewhere(
    mortal: tuple[httpx.AsyncClient, str], client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    signer, key = mortal
    job = simple(await submit(signer, QUIET))
    token = await token_for(signer, job)
    known = [await asking.get(job["links"]["self"], headers=bearing(token)) for asking in (client, other_client)]

    await signer.delete(key)
    at_once = await client.get(job["links"]["self"], headers=bearing(token))
    began = time.monotonic()
    while (answer := await other_client.get(job["links"]["self"], headers=bearing(token))).status_code == 200:
        assert time.monotonic() - began < WITHIN
        await asyncio.sleep(ASK_EVERY)

    assert [answer.status_code for answer in known] == [200, 200]
    assert_invalid(at_once)
    assert_invalid(answer)


async def test_a_revoked_key_ends_the_streams_and_waits_of_its_tokens_on_every_node(
    mortal: tuple[httpx.AsyncClient, str], client: httpx.AsyncClient, here: str, there: str
) -> None:
    signer, key = mortal
    job = simple(await submit(signer, "in_progress 8s, succeeded"))
    token = await token_for(signer, job)
    await until_figure(client, 0, "polling_held", transport="wait")

    async def held(url: str) -> tuple[list[Event], httpx.Response]:
        async with bearer(url, token) as asking, open_events(asking, job["links"]["events"]) as stream:
            waiting = asyncio.create_task(long_poll(asking, job, 30, until="terminal"))
            return await stream.rest(within=2 * WITHIN), await waiting

    holding = [asyncio.create_task(held(url)) for url in (here, there)]
    await until_figure(client, 2, "polling_held", transport="wait")
    await signer.delete(key)
    for events, answer in await asyncio.gather(*holding):
        assert {event.job["terminal"] for event in events} == {False}
        assert_invalid(answer)


async def test_a_token_in_the_query_is_taken_on_event_streams(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, job: Job
) -> None:
    token = await token_for(signer, job)

    one = await client.head(job["links"]["events"], params={"access_token": token})
    many = await client.head(f"{SET}/events", params={"ids": job["id"], "access_token": token})

    assert [one.status_code, many.status_code] == [200, 200]


@pytest.mark.parametrize("parameter", ["access_token", "%61ccess_token", "access%5Ftoken"])
@pytest.mark.parametrize(
    ("method", "below"),
    [
        ("GET", ""),
        ("HEAD", ""),
        ("GET", "/results"),
        ("GET", "/history"),
        ("POST", "/cancel"),
        ("DELETE", ""),
    ],
)
async def test_a_token_in_the_query_is_refused_elsewhere(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, job: Job, method: str, below: str, parameter: str
) -> None:
    token = await token_for(signer, job)

    answer = await client.request(method, f"{job['links']['self']}{below}?{parameter}={token}")

    assert answer.status_code == 400
    assert method == "HEAD" or answer.json()["code"] == "token_in_query"
    assert token not in answer.text


async def test_a_token_in_the_query_is_refused_on_a_submit(client: httpx.AsyncClient) -> None:
    answer = await client.post(SET, params={"access_token": "x"}, json={})

    assert (answer.status_code, answer.json()["code"]) == (400, "token_in_query")


@pytest.mark.parametrize("path", ["/api/v1/whoami", "/api/v1/keys", "/api/v1/batch-status/events?ids=a"])
async def test_a_token_in_the_query_is_refused_on_the_whole_signed_set(signer: httpx.AsyncClient, path: str) -> None:
    answer = await signer.get(path, params={"access_token": "x"})

    assert (answer.status_code, answer.json()["code"]) == (400, "token_in_query")


async def test_a_token_that_is_given_twice_is_refused(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, job: Job
) -> None:
    token = await token_for(signer, job)

    both = await client.get(job["links"]["events"], params={"access_token": token}, headers=bearing(token))
    twice = await client.get(job["links"]["events"], params={"access_token": [token, token]})

    assert [(answer.status_code, answer.json()["code"]) for answer in (both, twice)] == [(400, "bad_request")] * 2
