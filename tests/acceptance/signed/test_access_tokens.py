"""Contract: access tokens, what they open, and what they do not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from polling_api.domain.job import new_job_id
from running.jobs import QUIET, SET, Job, batch, submit
from running.signing import Credentials, signing_client
from running.tokens import ALL_SCOPES, ask_for_token, bearing, simple, token_for

# A call, as method and path below a job, and the scope that it takes; None: no token opens it.
CALLS: dict[str, tuple[str, str, str | None]] = {
    "status": ("GET", "", "status"),
    "the head of the status": ("HEAD", "", "status"),
    "history": ("GET", "/history", "status"),
    "events": ("HEAD", "/events", "events"),
    "results": ("GET", "/results", "results"),
    "cancel": ("POST", "/cancel", "cancel"),
    "delete": ("DELETE", "", None),
}
# What each of them is answered with, where the token opens it: the job has not ended.
OPENED = {"results": 409, "cancel": 202}
A_DAY = 86_400


@pytest.fixture
def simple_owned(owned: Job) -> Job:
    return simple(owned)


@pytest.fixture(scope="module")
async def public(client: httpx.AsyncClient) -> Job:
    """A job that nobody owns."""
    return await submit(client, QUIET)


def expiry(answer: httpx.Response) -> float:
    """In how many seconds a token ends."""
    return (datetime.fromisoformat(answer.json()["expires_at"]) - datetime.now(UTC)).total_seconds()


@pytest.mark.parametrize("scope", ALL_SCOPES)
@pytest.mark.parametrize("call", CALLS)
async def test_a_scope_opens_its_calls_and_no_others(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, scope: str, call: str
) -> None:
    job = simple(await submit(signer, QUIET))
    token = await token_for(signer, job, scopes=[scope])
    method, below, needed = CALLS[call]

    answer = await client.request(method, job["links"]["self"] + below, headers=bearing(token))

    if scope == needed:
        assert answer.status_code == OPENED.get(call, 200)
    else:
        assert answer.status_code == 403
        assert answer.headers["www-authenticate"].startswith('Bearer realm="polling-api", error="insufficient_scope"')
        assert method == "HEAD" or answer.json()["code"] == "insufficient_scope"


async def test_many_events_take_the_scope_for_events(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, simple_owned: Job
) -> None:
    tokens = [await token_for(signer, simple_owned, scopes=[scope]) for scope in ("events", "status")]

    answers = [
        await client.head(f"{SET}/events", params={"ids": simple_owned["id"]}, headers=bearing(token))
        for token in tokens
    ]

    assert [answer.status_code for answer in answers] == [200, 403]


async def test_it_shows_the_named_jobs_and_no_others(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, foreign_signer: httpx.AsyncClient, simple_owned: Job
) -> None:
    others = [simple(await submit(asking, QUIET)) for asking in (signer, foreign_signer)]
    token = await token_for(signer, simple_owned)

    answers = [await client.get(job["links"]["self"], headers=bearing(token)) for job in (simple_owned, *others)]

    assert [answer.status_code for answer in answers] == [200, 404, 404]


async def test_a_token_for_all_shows_later_jobs_too_but_no_other_clients(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, foreign_signer: httpx.AsyncClient
) -> None:
    token = await token_for(signer)
    later, foreign = [simple(await submit(asking, QUIET)) for asking in (signer, foreign_signer)]

    answers = [await client.get(job["links"]["self"], headers=bearing(token)) for job in (later, foreign)]

    assert [answer.status_code for answer in answers] == [200, 404]


async def test_without_a_token_the_job_is_not_there(client: httpx.AsyncClient, simple_owned: Job) -> None:
    answer = await client.get(simple_owned["links"]["self"])

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


async def test_links_are_those_of_the_set_that_was_asked(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, owned: Job
) -> None:
    token = await token_for(signer, owned)

    answer = await client.get(simple(owned)["links"]["self"], headers=bearing(token))

    assert answer.json() == simple(owned)


async def test_a_public_job_is_shown_to_any_good_token_whatever_its_scope(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, owned: Job, public: Job
) -> None:
    token = await token_for(signer, owned, scopes=["cancel"])

    answer = await client.get(public["links"]["self"], headers=bearing(token))

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer nonsense",
        "Bearer pat_nonsense.nonsense",
        "Bearer pat_",
        "Bearer",
        "Basic dXNlcjpwYXNz",
        "pat_nonsense",
        "Bearer a b",
        "Bearer \xe9",
        "Bearer " + "a" * 5000,
    ],
)
async def test_a_bad_token_is_refused_on_a_public_job_too(
    client: httpx.AsyncClient, public: Job, authorization: str
) -> None:
    answer = await client.get(public["links"]["self"], headers=[(b"authorization", authorization.encode("latin-1"))])

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"] == 'Bearer realm="polling-api", error="invalid_token"'


@pytest.mark.parametrize("place", ["kind", "dot", "last", "first", "middle", "mac", "more", "less", "space", "case"])
async def test_a_token_that_was_tampered_with_is_refused(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, owned: Job, place: str
) -> None:
    token = await token_for(signer, owned)
    tampered = {
        "kind": f"xat_{token[4:]}",
        "dot": token.replace(".", "-"),
        "first": f"{token[:4]}{'B' if token[4] != 'B' else 'C'}{token[5:]}",
        "middle": f"{token[:40]}{'B' if token[40] != 'B' else 'C'}{token[41:]}",
        "mac": f"{token[:-20]}{'B' if token[-20] != 'B' else 'C'}{token[-19:]}",
        "last": token[:-1] + chr(ord(token[-1]) + 1),  # bits that a lenient reader of base64 passes over
        "more": f"{token}=",
        "less": token[:-1],
        "space": f"{token[:-5]} {token[-5:]}",
        "case": token.swapcase(),
    }[place]

    answer = await client.get(simple(owned)["links"]["self"], headers=bearing(tampered))

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


async def test_a_token_does_not_open_the_signed_set(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, owned: Job
) -> None:
    token = await token_for(signer)

    answers = [
        await client.get(path, headers=bearing(token))
        for path in (owned["links"]["self"], owned["links"]["events"], "/api/v1/whoami", "/api/v1/keys")
    ]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(401, "invalid_signature")}


async def test_what_is_submitted_with_a_token_is_public(client: httpx.AsyncClient, signer: httpx.AsyncClient) -> None:
    token = await token_for(signer)

    job = (await client.post(SET, json=batch(1), headers=bearing(token))).json()

    assert (await client.get(job["links"]["self"])).status_code == 200


async def test_it_says_what_was_given(signer: httpx.AsyncClient, owned: Job) -> None:
    named = await ask_for_token(signer, jobs=[owned["id"]] * 2, scopes=["results", "status", "status"], expires_in=60)
    every = await ask_for_token(signer, jobs="all")

    assert (named.status_code, every.status_code) == (201, 201)
    assert list(named.json()) == ["token", "expires_at", "scopes", "jobs"]
    assert (named.json()["scopes"], named.json()["jobs"]) == (["status", "results"], [owned["id"]])
    assert 50 < expiry(named) <= 60
    assert (every.json()["scopes"], every.json()["jobs"]) == (["status", "events"], "all")
    assert 880 < expiry(every) <= 900
    assert named.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("seconds", [1, 1.5, A_DAY])
async def test_a_life_of_a_second_up_to_a_day_is_given(signer: httpx.AsyncClient, seconds: float) -> None:
    asked_at = datetime.now(UTC)

    answer = await ask_for_token(signer, jobs="all", expires_in=seconds)

    expires_at = datetime.fromisoformat(answer.json()["expires_at"])
    assert asked_at + timedelta(seconds=seconds - 0.1) <= expires_at <= datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ({}, "/jobs"),
        ({"jobs": []}, "/jobs"),
        ({"jobs": "some"}, "/jobs"),
        ({"jobs": None}, "/jobs"),
        ({"jobs": [new_job_id() for _ in range(101)]}, "/jobs"),
        ({"jobs": "all", "expires_in": 0.999}, "/expires_in"),
        ({"jobs": "all", "expires_in": 0}, "/expires_in"),
        ({"jobs": "all", "expires_in": -1}, "/expires_in"),
        ({"jobs": "all", "expires_in": A_DAY + 1}, "/expires_in"),
        ({"jobs": "all", "expires_in": "900"}, "/expires_in"),
        ({"jobs": "all", "expires_in": None}, "/expires_in"),
        ({"jobs": "all", "scopes": []}, "/scopes"),
        ({"jobs": "all", "scopes": ["delete"]}, "/scopes/0"),
        ({"jobs": "all", "scopes": "status"}, "/scopes"),
        ({"jobs": {"all": True}}, "/jobs"),
        ({"jobs": "all", "admin": True}, "/admin"),
        ({"jobs": "all", "a/b~": True}, "/a~1b~0"),
    ],
)
async def test_what_breaks_a_rule_is_422_and_named(signer: httpx.AsyncClient, asked: Any, place: str) -> None:
    answer = await ask_for_token(signer, **asked)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert {error["pointer"] for error in answer.json()["errors"]} == {place}


async def test_a_hundred_jobs_can_be_named(client: httpx.AsyncClient, signer: httpx.AsyncClient) -> None:
    jobs = [await submit(signer, QUIET, items=1) for _ in range(100)]

    token = await token_for(signer, *jobs)
    answer = await client.get(simple(jobs[-1])["links"]["self"], headers=bearing(token))

    assert answer.status_code == 200


@pytest.mark.parametrize("which", ["missing", "foreign", "public", "no id"])
async def test_a_job_that_is_not_the_clients_can_not_be_named(
    signer: httpx.AsyncClient, foreign_signer: httpx.AsyncClient, owned: Job, public: Job, which: str
) -> None:
    ids = {
        "missing": new_job_id(),
        "foreign": (await submit(foreign_signer, QUIET))["id"],
        "public": public["id"],
        "no id": "events",
    }

    answer = await ask_for_token(signer, jobs=[owned["id"], ids[which]])

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
    assert answer.json()["errors"] == [{"pointer": "/jobs/1", "message": "no such job, or not yours"}]


async def test_a_token_lives_no_longer_than_the_key_that_made_it(
    signer: httpx.AsyncClient, here: str, owner: Credentials
) -> None:
    made = (await signer.post("/api/v1/keys", json={"expires_in": 30})).json()
    async with signing_client(here, Credentials(owner.client_id, made["id"], made["secret"])) as short:
        answer = await ask_for_token(short, jobs="all", expires_in=900)

    ends = [datetime.fromisoformat(one["expires_at"]) for one in (answer.json(), made)]
    assert timedelta(0) <= ends[1] - ends[0] < timedelta(milliseconds=1)
