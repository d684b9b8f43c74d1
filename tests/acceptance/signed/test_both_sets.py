"""Contract: the signed set does all that the simple set does, over jobs of its own, and links to itself."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import httpx
import orjson
import pytest

from running.events import open_events
from running.forging import Wire, signed
from running.jobs import (
    QUICK,
    QUIET,
    SIGNED_SET,
    Job,
    batch,
    ended_job,
    long_poll,
    quiet_job,
    read,
    set_of,
    submit,
    until_status,
    until_terminal,
)
from running.signing import Credentials
from running.stored import Store

LINES = b'{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"model":"m"}}\n'
AS_LINES = {"Content-Type": "application/x-ndjson"}
FIVE_STATUSES = ["queued", "submitting", "in_progress", "finalizing", "succeeded"]


async def test_a_batch_is_taken_as_json(asking: httpx.AsyncClient) -> None:
    answer = await asking.post(set_of(asking), json=batch(3))

    job = answer.json()
    path = f"{set_of(asking)}/{job['id']}"
    assert (answer.status_code, job["status"], job["progress"]["total"]) == (202, "queued", 3)
    assert answer.headers["location"] == path
    assert job["links"] == {
        "self": path,
        "events": f"{path}/events",
        "results": f"{path}/results",
        "cancel": f"{path}/cancel",
    }


async def test_a_batch_is_taken_as_lines(asking: httpx.AsyncClient) -> None:
    answer = await asking.post(set_of(asking), content=LINES, headers=AS_LINES)

    assert (answer.status_code, answer.json()["endpoint"]) == (202, "/v1/embeddings")


async def test_a_submit_can_wait_for_the_end(asking: httpx.AsyncClient) -> None:
    answer = await asking.post(set_of(asking), json=batch(1, script=QUICK), headers={"Prefer": "wait=20"})

    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")


async def test_a_poll_with_the_etag_of_any_node_is_304(asking: httpx.AsyncClient, elsewhere: httpx.AsyncClient) -> None:
    active = await quiet_job(asking)
    seen = {"If-None-Match": active.headers["etag"]}

    answers = [await one.get(active.json()["links"]["self"], headers=seen) for one in (asking, elsewhere)]

    assert [(answer.status_code, answer.content) for answer in answers] == [(304, b"")] * 2


async def test_a_wait_is_answered_at_the_change_on_any_node(
    asking: httpx.AsyncClient, elsewhere: httpx.AsyncClient
) -> None:
    job = await submit(asking, "in_progress 1s @50%, succeeded")
    seen = (await until_status(asking, job, "in_progress")).headers["etag"]

    answers = await asyncio.gather(
        *(long_poll(one, job, 20, seen=seen, until="terminal") for one in (asking, elsewhere))
    )

    assert [answer.json()["status"] for answer in answers] == ["succeeded"] * 2
    assert len({answer.content for answer in answers}) == 1


async def test_its_events_are_every_status_in_order(asking: httpx.AsyncClient) -> None:
    job = await submit(asking, "in_progress 0.3s @50%, finalizing 0.2s, succeeded")

    async with open_events(asking, job["links"]["events"], last_event_id=1) as stream:
        events = await stream.rest()

    assert list(dict.fromkeys(event.job["status"] for event in events)) == FIVE_STATUSES[1:]
    assert events[-1].data.encode() == (await read(asking, job)).content


async def test_the_events_of_many_go_on_after_the_cursor_on_another_node(
    asking: httpx.AsyncClient, elsewhere: httpx.AsyncClient
) -> None:
    jobs = [(await quiet_job(asking)).json() for _ in range(2)]
    many, ids = f"{set_of(asking)}/events", {"ids": ",".join(job["id"] for job in jobs)}
    async with open_events(asking, many, params=ids) as stream:
        seen = [await stream.event() for _ in jobs]

    await asking.post(jobs[0]["links"]["cancel"])
    await until_terminal(asking, jobs[0])
    async with open_events(elsewhere, many, params=ids, last_event_id=seen[-1].id) as stream:
        missed = [await stream.event() for _ in range(2)]

    assert {event.job["id"] for event in seen} == {job["id"] for job in jobs}
    assert [(event.job["id"], event.job["status"]) for event in missed] == [
        (jobs[0]["id"], "cancelling"),
        (jobs[0]["id"], "cancelled"),
    ]


async def test_its_history_and_results_come_in_pages(asking: httpx.AsyncClient) -> None:
    job = await ended_job(asking, items=3)
    for name, total in (("history", job["version"]), ("results", 3)):
        pages = [await asking.get(f"{job['links']['self']}/{name}", params={"limit": 2})]
        while "next" in pages[-1].links:
            assert pages[-1].links["next"]["url"].startswith(f"{set_of(asking)}/")
            pages.append(await asking.get(pages[-1].links["next"]["url"]))

        assert sum(len(page.json()["data"]) for page in pages) == total


async def test_it_is_cancelled_and_deleted(asking: httpx.AsyncClient, elsewhere: httpx.AsyncClient) -> None:
    job = await submit(asking, QUIET)

    early = await elsewhere.delete(job["links"]["self"])
    cancelled = await elsewhere.post(job["links"]["cancel"])
    await until_terminal(asking, job)
    deleted = await elsewhere.delete(job["links"]["self"])
    gone = await elsewhere.get(job["links"]["self"])

    assert (early.status_code, early.json()["code"]) == (409, "job_unfinished")
    assert [answer.status_code for answer in (cancelled, deleted, gone)] == [202, 204, 404]


async def test_a_submit_that_is_sent_again_gives_the_same_job(
    asking: httpx.AsyncClient, elsewhere: httpx.AsyncClient
) -> None:
    key, body = {"Idempotency-Key": str(uuid4())}, batch(1)

    answers = [await one.post(set_of(one), json=body, headers=key) for one in (asking, elsewhere)]
    other = await asking.post(set_of(asking), json=batch(2), headers=key)

    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true"]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_the_same_key_of_two_clients_makes_two_jobs(
    signer: httpx.AsyncClient, foreign_signer: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    key, body = {"Idempotency-Key": str(uuid4())}, batch(1)

    answers = [await one.post(set_of(one), json=body, headers=key) for one in (signer, foreign_signer, client)]

    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({answer.json()["id"] for answer in answers}) == 3


async def test_a_clients_key_may_be_short(signer: httpx.AsyncClient) -> None:
    key, body = {"Idempotency-Key": uuid4().hex[:1]}, batch(1, metadata={"of": str(uuid4())})

    answers = [await signer.post(SIGNED_SET, json=body, headers=key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202] * 2
    assert answers[1].headers["idempotent-replayed"] == "true"


@pytest.fixture
def long_batch(owner: Credentials, here: str) -> Wire:
    """A signed submit of 3 MB of lines."""
    line = b'{"custom_id":"%d","method":"POST","url":"/v1/embeddings","body":{"x":"' + b"x" * 1000 + b'"}}\n'
    body = b"".join(line % number for number in range(3000))
    wire = signed(owner, here, SIGNED_SET, method="POST", body=body)
    return wire.with_field("Content-Type", "application/x-ndjson")


async def test_a_long_batch_is_taken_while_its_digest_is_made(long_batch: Wire, here: str) -> None:
    answer = await long_batch.sent(here)

    assert (answer.status, answer.json["progress"]["total"]) == (202, 3000)


@pytest.mark.parametrize("end", [b'"y"}}\n', b'"x"}} ', b""], ids=["altered", "longer", "shorter"])
async def test_a_long_batch_that_was_changed_at_its_end_is_refused_and_nothing_of_it_stored(
    long_batch: Wire, here: str, store: Store, end: bytes
) -> None:
    before = await store.submitted()
    changed = replace(long_batch, body=long_batch.body[:-6] + end)

    answer = await changed.sent(here)

    assert (answer.status, answer.code) == (401, "invalid_signature")
    assert answer.headers["www-authenticate"].endswith('rule="body"')
    assert await store.submitted() == before


async def test_a_key_is_not_used_up_by_a_long_batch_that_was_changed(
    long_batch: Wire, owner: Credentials, here: str
) -> None:
    key = ("Idempotency-Key", str(uuid4()))
    wrong = replace(long_batch.adding(key), body=long_batch.body[:-1] + b" ")

    refused = await wrong.sent(here)
    true = await signed(owner, here, SIGNED_SET, method="POST", body=orjson.dumps(batch(1)), fields=[key]).sent(here)

    assert (refused.status, true.status) == (401, 202)


async def test_the_signed_set_takes_more_than_what_anybody_may_leave_here(
    client: httpx.AsyncClient, signer: httpx.AsyncClient
) -> None:
    line = b'{"custom_id":"%d","method":"POST","url":"/v1/embeddings","body":{"x":"' + b"x" * 100_000 + b'"}}\n'
    body = b"".join(line % number for number in range(50))

    answers = [await asking.post(set_of(asking), content=body, headers=AS_LINES) for asking in (client, signer)]

    assert [answer.status_code for answer in answers] == [413, 202]


async def test_a_job_has_its_owner_for_good(signer: httpx.AsyncClient, client: httpx.AsyncClient, owned: Job) -> None:
    public = await submit(client, QUIET)

    answers = [
        await client.get(f"/api/v1/jobs/{owned['id']}"),
        await signer.get(f"{SIGNED_SET}/{public['id']}"),
    ]

    assert [answer.json()["code"] for answer in answers] == ["job_not_found"] * 2
