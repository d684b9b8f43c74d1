"""Contract: what is another's is answered like what is missing, by every route that takes an id, for everybody."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from polling_api.domain.client import new_key_id
from polling_api.domain.job import new_job_id
from polling_api.domain.webhook import new_delivery_id, new_endpoint_id
from running.addressed import Operation, addressed, paged
from running.events import open_events
from running.jobs import QUIET, SET, SIGNED_SET, Job, quiet_job, submit
from running.signing import Credentials, new_client, signing_client
from running.tokens import bearer, token_for

CORRELATION = "the-same-for-both"
OF_THE_MOMENT = {"date", "x-ratelimit-remaining", "x-ratelimit-reset"}
# So many operations there are at least: fewer would mean that the document is read wrongly.
AT_LEAST = 2 * 10 + 3


@pytest.fixture(scope="module")
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.get("/openapi.json")).json()


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> Sequence[Operation]:
    return addressed(document)


@pytest.fixture(scope="module")
async def their_job(foreign_signer: httpx.AsyncClient) -> Job:
    """A job of the stranger's, which this node knows well."""
    return (await quiet_job(foreign_signer)).json()


@pytest.fixture(scope="module")
async def callers(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, foreign_signer: httpx.AsyncClient, owned: Job, here: str
) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """Everybody who may ask and does not own the stranger's job, by who it is."""
    tokens = {
        "the bearer of a token for another job": await token_for(signer, owned),
        "the bearer of a token for all jobs of another client": await token_for(signer),
        "the bearer of a token for another job of the same client": await token_for(
            foreign_signer, await submit(foreign_signer, QUIET)
        ),
    }
    async with AsyncExitStack() as stack:
        bearers = {who: await stack.enter_async_context(bearer(here, token)) for who, token in tokens.items()}
        yield {"anybody": client, "another client": signer, **bearers}


def like(answer: httpx.Response, named: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """An answer, but for the moment, and the id that was asked for."""
    headers = [(name, value) for name, value in answer.headers.multi_items() if name not in OF_THE_MOMENT]
    return answer.status_code, headers, answer.content.replace(named.encode(), b"(the id)")


async def tested_endpoint(signer: httpx.AsyncClient) -> tuple[str, str]:
    """The ids of a new webhook endpoint, and of a message to it."""
    endpoint = (await signer.post("/api/v1/webhook-endpoints", json={"url": "http://127.0.0.1:8080/"})).json()
    delivery = (await signer.post(f"/api/v1/webhook-endpoints/{endpoint['id']}/test")).json()
    return endpoint["id"], delivery["id"]


async def asked(asking: httpx.AsyncClient, operation: Operation, named: str) -> httpx.Response:
    return await asking.send(operation.request(asking, named, **{"X-Correlation-ID": CORRELATION}))


def test_the_document_names_every_operation(operations: Sequence[Operation]) -> None:
    assert len(operations) >= AT_LEAST
    assert {str(one) for one in operations} >= {
        f"{method} {base}{below}"
        for base in (SET, SIGNED_SET)
        for method, below in [
            ("GET", "/{job_id}"),
            ("HEAD", "/{job_id}"),
            ("GET", "/events"),
            ("GET", "/{job_id}/events"),
            ("GET", "/{job_id}/history"),
            ("GET", "/{job_id}/results"),
            ("POST", "/{job_id}/cancel"),
            ("DELETE", "/{job_id}"),
        ]
    }


async def test_a_job_of_anothers_is_answered_like_one_that_is_missing(
    operations: Sequence[Operation], callers: dict[str, httpx.AsyncClient], their_job: Job
) -> None:
    differing: list[str] = []
    told: set[tuple[str, bool]] = set()
    for operation in (one for one in operations if one.kind == "job_id"):
        for who, asking in callers.items():
            if operation.simple is (asking.auth is None):
                missing_id = new_job_id()
                foreign = like(await asked(asking, operation, their_job["id"]), their_job["id"])
                missing = like(await asked(asking, operation, missing_id), missing_id)
                told.add((who, missing[0] == operation.denies_with))
                if foreign != missing:
                    differing.append(f"{operation}, asked by {who}: {foreign} is not {missing}")

    assert differing == []
    assert told == {(who, True) for who in callers}


async def test_a_public_job_is_answered_to_a_client_like_one_that_is_missing(
    operations: Sequence[Operation], signer: httpx.AsyncClient, quiet: Job
) -> None:
    differing: list[str] = []
    for operation in (one for one in operations if one.kind == "job_id" and not one.simple):
        missing_id = new_job_id()
        public = like(await asked(signer, operation, quiet["id"]), quiet["id"])
        missing = like(await asked(signer, operation, missing_id), missing_id)
        if public != missing:
            differing.append(f"{operation}: {public} is not {missing}")

    assert differing == []


async def test_a_key_of_anothers_is_answered_like_one_that_is_missing(
    operations: Sequence[Operation], signer: httpx.AsyncClient, stranger: Credentials, database_url: str, here: str
) -> None:
    theirs = await new_client(database_url, "with a key of its own")
    of_keys = [one for one in operations if one.kind == "key_id"]
    for operation in of_keys:
        missing_id = new_key_id()
        for foreign_id in (stranger.key_id, theirs.key_id):
            foreign = like(await asked(signer, operation, foreign_id), foreign_id)
            missing = like(await asked(signer, operation, missing_id), missing_id)
            assert (foreign[0], foreign) == (404, missing)

    assert {one.method for one in of_keys} >= {"POST", "DELETE"}
    async with signing_client(here, theirs) as asking:
        assert (await asking.get("/api/v1/whoami")).status_code == 200


async def test_what_another_has_of_webhooks_is_answered_like_what_is_missing(
    operations: Sequence[Operation], signer: httpx.AsyncClient, foreign_signer: httpx.AsyncClient
) -> None:
    endpoint_id, delivery_id = await tested_endpoint(foreign_signer)
    theirs = {"endpoint_id": (endpoint_id, new_endpoint_id()), "delivery_id": (delivery_id, new_delivery_id())}
    of_webhooks = [one for one in operations if one.kind in theirs]
    for operation in of_webhooks:
        foreign_id, missing_id = theirs[operation.kind]
        foreign = like(await asked(signer, operation, foreign_id), foreign_id)
        missing = like(await asked(signer, operation, missing_id), missing_id)
        assert (foreign[0], foreign) == (404, missing)

    assert {one.kind for one in of_webhooks} == set(theirs)


async def test_what_was_refused_was_not_done(
    foreign_signer: httpx.AsyncClient, callers: dict[str, httpx.AsyncClient], their_job: Job
) -> None:
    for asking in callers.values():
        base = SET if asking.auth is None else SIGNED_SET
        await asking.post(f"{base}/{their_job['id']}/cancel")
        await asking.delete(f"{base}/{their_job['id']}")

    answer = await foreign_signer.get(their_job["links"]["self"])

    assert answer.json() == their_job


@pytest.mark.parametrize("header", [{"If-None-Match": "*"}, {"If-None-Match": 'W/"9-abc"'}, {"Prefer": "wait=30"}])
async def test_no_condition_and_no_wait_tells_them_apart(
    callers: dict[str, httpx.AsyncClient], their_job: Job, header: dict[str, str]
) -> None:
    for asking in callers.values():
        base = SET if asking.auth is None else SIGNED_SET
        ids = [their_job["id"], new_job_id()]
        headers = {**header, "X-Correlation-ID": CORRELATION}
        answers = [await asking.get(f"{base}/{job_id}", headers=headers, timeout=10) for job_id in ids]

        foreign, missing = (like(*one) for one in zip(answers, ids, strict=True))
        assert (foreign[0], foreign) == (404, missing)


async def test_among_others_on_a_stream_both_are_told_by_the_same_problem(
    signer: httpx.AsyncClient, owned: Job, their_job: Job
) -> None:
    ids = [owned["id"], their_job["id"], new_job_id()]
    headers = {"X-Correlation-ID": CORRELATION}

    async with open_events(signer, f"{SIGNED_SET}/events", params={"ids": ",".join(ids)}, headers=headers) as stream:
        events = [await stream.event() for _ in ids]

    problems = {event.job["id"]: event.data for event in events if event.event == "problem"}
    assert problems.keys() == set(ids[1:])
    assert len({told.replace(job_id, "(the id)") for job_id, told in problems.items()}) == 1


async def test_every_list_that_goes_on_by_a_cursor_refuses_another_callers(
    document: dict[str, Any],
    client: httpx.AsyncClient,
    signer: httpx.AsyncClient,
    foreign_signer: httpx.AsyncClient,
    owned: Job,
    their_job: Job,
    quiet: Job,
) -> None:
    """A cursor that was given out for one list is tried at every other."""
    for asking in (signer, foreign_signer):  # so that every list of theirs has a second page
        await asking.post("/api/v1/keys", json={"expires_in": 60})
        await submit(asking, QUIET)
        await tested_endpoint(asking)
        await tested_endpoint(asking)
    lists = [
        (asking, path.replace("{job_id}", job["id"]))
        for path in paged(document)
        for asking, job in ((client, quiet), (signer, owned), (foreign_signer, their_job))
        if path.startswith(SET) is (asking.auth is None)
    ]
    cursors = [(await asking.get(path, params={"limit": 1})).json()["next_cursor"] for asking, path in lists]
    assert all(cursors)

    for number, (asking, path) in enumerate(lists):
        answers = [await asking.get(path, params={"cursor": cursor}) for cursor in cursors]
        told = [answer.status_code for answer in answers]
        assert told == [200 if other == number else 400 for other in range(len(lists))], path
        assert {answer.json()["code"] for answer in answers if answer.status_code == 400} == {"bad_cursor"}


async def test_another_callers_cursor_on_a_stream_is_ignored(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, owned: Job, quiet: Job
) -> None:
    """The two could follow a job both, the one by its signature, the other by a token; here each follows its own."""
    async with open_events(client, f"{SET}/events", params={"ids": quiet["id"]}) as stream:
        theirs = await stream.event()

    async with open_events(
        signer, f"{SIGNED_SET}/events", params={"ids": owned["id"]}, last_event_id=theirs.id
    ) as stream:
        first = await stream.event()

    assert first.job["id"] == owned["id"]
