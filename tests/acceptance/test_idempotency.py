"""Contract: `Idempotency-Key` on a submit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.engine import connect, transaction
from polling_api.store.idempotency import Once, claim
from running.asking import asking
from running.jobs import QUICK, QUIET, SET, Job, batch, until_status, until_terminal
from running.service import Service, running_service
from running.stored import Store

LINES = '{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{}}\n'
AS_LINES = {"Content-Type": "application/x-ndjson"}
AS_JSON = {"Content-Type": "application/json"}


def new_key() -> str:
    return str(uuid4())


async def submit(
    client: httpx.AsyncClient, key: str, body: Job | None = None, *, wait: int | None = None
) -> httpx.Response:
    headers = {"Idempotency-Key": key} | ({} if wait is None else {"Prefer": f"wait={wait}"})
    return await client.post(SET, json=body or batch(script=QUIET), headers=headers, timeout=30)


def replayed(answer: httpx.Response) -> bool:
    return answer.headers.get("Idempotent-Replayed") == "true"


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A pool on the service's database."""
    pool = connect(
        database_url, pool_size=1, max_overflow=0, pool_timeout=5, statement_timeout=10, application_name="tests"
    )
    yield pool
    await pool.dispose()


async def test_the_same_again_gives_the_same_job(client: httpx.AsyncClient, other_client: httpx.AsyncClient) -> None:
    key = new_key()

    first = await submit(client, key)
    again = [await submit(client, key), await submit(other_client, key)]

    assert [first.status_code, *(answer.status_code for answer in again)] == [202, 202, 202]
    assert [replayed(answer) for answer in (first, *again)] == [False, True, True]
    assert {answer.headers["location"] for answer in again} == {first.headers["location"]}
    assert {answer.json()["id"] for answer in again} == {first.json()["id"]}


async def test_a_replay_shows_the_job_as_it_is_now(client: httpx.AsyncClient) -> None:
    key = new_key()
    job = (await submit(client, key)).json()
    present = await until_status(client, job, "in_progress")

    answer = await submit(client, key)

    assert answer.json() == present.json()


async def test_a_replay_of_a_job_that_has_ended_says_so(client: httpx.AsyncClient) -> None:
    key = new_key()
    end = await until_terminal(client, (await submit(client, key, batch(script=QUICK))).json())

    answer = await submit(client, key, batch(script=QUICK))

    assert (answer.status_code, answer.json(), replayed(answer)) == (200, end, True)
    assert "retry-after" not in answer.headers


async def test_a_replay_with_a_wait_waits_for_the_end(client: httpx.AsyncClient) -> None:
    key, body = new_key(), batch(script="in_progress 1s @50%, succeeded")
    await submit(client, key, body)

    answer = await submit(client, key, body, wait=20)

    assert (answer.status_code, answer.json()["status"], replayed(answer)) == (200, "succeeded", True)
    assert answer.headers["preference-applied"] == "wait=20"


async def test_another_body_is_refused_and_nothing_is_stored(client: httpx.AsyncClient, store: Store) -> None:
    key = new_key()
    await submit(client, key)
    before = await store.submitted()

    answer = await submit(client, key, batch(3, script=QUIET))

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await store.submitted() == before


async def test_the_same_bytes_in_another_media_type_are_another_body(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": new_key()}
    body = '{"requests":[{"custom_id":"a","body":{}}]}'
    await client.post(SET, content=body, headers={**key, **AS_JSON})

    answer = await client.post(SET, content=LINES, headers={**key, **AS_LINES})

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_lines_are_replayed_too(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": new_key(), **AS_LINES}

    answers = [await client.post(SET, content=LINES, headers=headers) for _ in range(2)]

    assert [replayed(answer) for answer in answers] == [False, True]
    assert answers[0].json()["id"] == answers[1].json()["id"]


async def test_of_many_at_once_one_stores_and_the_others_replay_or_are_told_to_come_back(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, store: Store
) -> None:
    key, before = new_key(), await store.submitted()

    answers = await asyncio.gather(*(submit(asking, key) for asking in [client, other_client] * 10))

    assert (await store.submitted()).jobs == before.jobs + 1
    assert [replayed(answer) for answer in answers if answer.status_code == 202].count(False) == 1
    refused = [answer for answer in answers if answer.status_code != 202]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} <= {(409, "idempotency_in_progress")}


async def test_while_the_first_is_still_being_stored_the_second_is_told_to_come_back(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    key = new_key()
    async with transaction(engine) as storing:
        await claim(storing, Once("", key, b"", 60), f"job_{'0' * 32}")

        early = await submit(client, key)
        await storing.rollback()
    late = await submit(client, key)

    assert (early.status_code, early.json()["code"]) == (409, "idempotency_in_progress")
    assert early.headers["retry-after"] == "1"
    assert (late.status_code, replayed(late)) == (202, False)


async def test_a_refused_submit_keeps_no_key(client: httpx.AsyncClient) -> None:
    key = new_key()

    refused = await submit(client, key, batch(0))
    answer = await submit(client, key)

    assert refused.status_code == 422
    assert (answer.status_code, replayed(answer)) == (202, False)


async def test_the_key_of_a_deleted_job_is_free_again(client: httpx.AsyncClient) -> None:
    key, body = new_key(), batch(script=QUICK)
    job = await until_terminal(client, (await submit(client, key, body)).json())
    await client.delete(job["links"]["self"])

    answer = await submit(client, key, body)

    assert (answer.status_code, replayed(answer)) == (202, False)
    assert answer.json()["id"] != job["id"]


async def test_the_quoted_form_is_the_same_key(client: httpx.AsyncClient) -> None:
    key = new_key()

    answers = [await submit(client, key), await submit(client, f'"{key}"')]

    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert replayed(answers[1])


@pytest.mark.parametrize(
    "key", ["", "a" * 21, "a" * 256, f'"{"a" * 21}"', f'"{"a" * 30}', "a" * 30 + "\tb", "\xe9" * 30]
)
async def test_a_bad_key_is_refused_before_anything_is_stored(
    client: httpx.AsyncClient, store: Store, key: str
) -> None:
    before = await store.submitted()

    answer = await client.post(SET, json=batch(), headers=[(b"Idempotency-Key", key.encode("latin-1"))])

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")
    assert await store.submitted() == before


async def test_two_keys_are_refused(client: httpx.AsyncClient) -> None:
    keys = [("Idempotency-Key", new_key()), ("Idempotency-Key", new_key())]

    answer = await client.post(SET, json=batch(), headers=keys)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")


@pytest.mark.parametrize("key", ["a" * 22, "a" * 255])
async def test_the_shortest_and_the_longest_key_are_taken(client: httpx.AsyncClient, key: str) -> None:
    answer = await submit(client, key)

    assert answer.status_code == 202


@pytest.fixture
async def mortal(postgres_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A service whose worker the test may kill."""
    async with running_service(postgres_url, redis_url, folder=tmp_path) as running:
        yield running


async def test_a_crash_between_the_commit_and_the_answer_makes_no_second_job(mortal: Service) -> None:
    key, body = new_key(), batch(script=QUIET)
    async with asking(mortal.url) as client:
        unanswered = asyncio.create_task(submit(client, key, body, wait=30))
        store = Store(mortal.workers[0].environment["POLLING_DATABASE_URL"])
        async with asyncio.timeout(10):
            while (await store.submitted()).jobs == 0:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)

        mortal.workers[0].kill()
        with suppress(httpx.TransportError):
            await unanswered
        await mortal.workers[0].ended()
        await mortal.workers[0].start()
        await mortal.ready()
        answer = await submit(client, key, body)

    assert unanswered.done()
    assert (answer.status_code, replayed(answer)) == (202, True)
    assert (await store.submitted()).jobs == 1
