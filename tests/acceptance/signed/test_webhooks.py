"""Webhooks as their owners use them: endpoints, jobs' own, deliveries, dead letters."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from standardwebhooks import Webhook

from in_process.hook_receiver import OK, HookReceiver, Told, hook_receiver
from running.jobs import ended_job, submit, until_terminal
from running.planted import PLANTED
from running.signing import new_client, signing_client

ENDPOINTS, DELIVERIES = "/api/v1/webhook-endpoints", "/api/v1/webhook-deliveries"
MEMBERS = {"object", "id", "url", "events", "status", "disabled_because", "created_at", "failing_since"}
OF_A_DELIVERY = {
    "object",
    "id",
    "endpoint_id",
    "job_id",
    "version",
    "event",
    "status",
    "created_at",
    "next_attempt_at",
    "attempts",
}
NOBODY = "http://127.0.0.1:9/hook"  # the port that discards
REFUSED = b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"

Document = dict[str, Any]


@pytest.fixture
async def receiver() -> AsyncIterator[HookReceiver]:
    async with hook_receiver() as receiving:
        yield receiving


@pytest.fixture
async def teller(here: str, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the test's own, without an endpoint yet."""
    async with signing_client(here, await new_client(database_url, "teller")) as asking:
        yield asking


async def make(asking: httpx.AsyncClient, url: str, **asked: Any) -> Document:
    answer = await asking.post(ENDPOINTS, json={"url": url, **asked})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def shown(asking: httpx.AsyncClient, path: str) -> Document:
    return (await asking.get(path)).json()


async def in_status(asking: httpx.AsyncClient, status: str, count: int = 1) -> list[Document]:
    """Wait until so many of the client's deliveries have a status, which a dispatcher brings about."""
    async with asyncio.timeout(30):
        while True:
            found = (await shown(asking, f"{DELIVERIES}?status={status}"))["data"]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.05)


async def test_endpoints_and_deliveries_show_only_what_is_named(teller: httpx.AsyncClient) -> None:
    here = f"{ENDPOINTS}/{(await make(teller, NOBODY))['id']}"
    await make(teller, NOBODY)
    await teller.post(f"{here}/test")
    dead = (await in_status(teller, "dead"))[0]

    first = await teller.get(ENDPOINTS, params={"fields": "url,status", "limit": 1})
    following = await teller.get(first.links["next"]["url"])
    one = await shown(teller, f"{here}?fields=id")
    listed = await shown(teller, f"{DELIVERIES}?fields=id,attempts.status_code&status=dead")
    delivery = await shown(teller, f"{DELIVERIES}/{dead['id']}?fields=attempts.at,event")

    assert [*first.json()["data"], *following.json()["data"]] == [{"url": NOBODY, "status": "enabled"}] * 2
    assert one == {"id": here.rpartition("/")[2]}
    assert listed["data"] == [{"id": dead["id"], "attempts": [{"status_code": None}] * len(dead["attempts"])}]
    assert delivery == {"event": "webhook.test", "attempts": [{"at": attempt["at"]} for attempt in dead["attempts"]]}


@pytest.mark.parametrize("path", [ENDPOINTS, f"{ENDPOINTS}/whe_{'0' * 32}", DELIVERIES, f"{DELIVERIES}/whd_{'0' * 32}"])
@pytest.mark.parametrize("fields", ["", "secret", "attempts.headers", "id,"])
async def test_fields_that_they_have_not_are_422(teller: httpx.AsyncClient, path: str, fields: str) -> None:
    answer = await teller.get(path, params={"fields": fields})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["?fields"]


async def test_an_endpoint_is_made_with_a_secret_that_is_told_once(teller: httpx.AsyncClient) -> None:
    answer = await teller.post(ENDPOINTS, json={"url": NOBODY})

    made = answer.json()
    secret = made.pop("secret")
    assert (answer.status_code, answer.headers["cache-control"], made.keys()) == (201, "no-store", MEMBERS)
    assert (made["object"], made["events"], made["status"]) == ("webhook_endpoint", ["terminal"], "enabled")
    assert secret.startswith("whsec_")
    page = await teller.get(ENDPOINTS)
    assert page.json() == {"object": "list", "data": [made], "has_more": False, "next_cursor": None}
    assert await shown(teller, f"{ENDPOINTS}/{made['id']}") == made


async def test_endpoints_are_listed_newest_first_in_pages(teller: httpx.AsyncClient) -> None:
    made = [(await make(teller, f"{NOBODY}/{number}"))["id"] for number in range(3)]

    first = await teller.get(ENDPOINTS, params={"limit": 2})
    second = await teller.get(first.links["next"]["url"])

    assert [[one["id"] for one in page.json()["data"]] for page in (first, second)] == [made[:0:-1], made[:1]]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"url": "ftp://example.org/"},
        {"url": "http://user:word@example.org/"},
        {"url": "http://169.254.169.254/latest"},
        {"url": NOBODY, "events": []},
        {"url": NOBODY, "events": ["progress"]},
        {"url": NOBODY, "secret": "mine"},
        {"url": "http://" + "a" * 3000},
    ],
)
async def test_an_endpoint_that_breaks_a_rule_is_422(teller: httpx.AsyncClient, asked: Document) -> None:
    answer = await teller.post(ENDPOINTS, json=asked)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_an_endpoint_is_changed_disabled_and_deleted(teller: httpx.AsyncClient) -> None:
    path = f"{ENDPOINTS}/{(await make(teller, NOBODY))['id']}"

    changed = await teller.patch(path, json={"url": f"{NOBODY}/new", "events": ["status"], "status": "disabled"})
    again = await teller.patch(path, json={"status": "enabled"})
    deleted = await teller.delete(path)

    told = changed.json()
    assert (told["url"], told["events"]) == (f"{NOBODY}/new", ["status"])
    assert (told["status"], told["disabled_because"]) == ("disabled", "owner")
    assert (again.json()["status"], again.json()["disabled_because"]) == ("enabled", None)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await teller.get(path)).json()["code"] == "endpoint_not_found"


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE", "rotate-secret", "test"])
@pytest.mark.parametrize("which", ["foreign", "missing", "no id"])
async def test_another_s_endpoint_is_not_there(
    teller: httpx.AsyncClient, foreign_signer: httpx.AsyncClient, method: str, which: str
) -> None:
    foreign = (await make(foreign_signer, NOBODY))["id"] if which == "foreign" else ""
    path = f"{ENDPOINTS}/{foreign or {'missing': 'whe_' + '0' * 32, 'no id': 'whe_1'}[which]}"
    call = ("POST", f"{path}/{method}") if method.islower() else (method, path)

    answer = await teller.request(*call, json={} if method == "PATCH" else None)

    assert (answer.status_code, answer.json()["code"]) == (404, "endpoint_not_found")


async def test_a_client_has_fifty_endpoints_at_most(teller: httpx.AsyncClient) -> None:
    for number in range(50):
        await make(teller, f"{NOBODY}/{number}")

    answer = await teller.post(ENDPOINTS, json={"url": NOBODY})

    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_endpoints")


async def test_the_end_of_a_job_is_told_signed_and_listed(teller: httpx.AsyncClient, receiver: HookReceiver) -> None:
    endpoint = await make(teller, receiver.url("/in"))

    job = await ended_job(teller)
    await receiver.until_told(1)
    [delivery] = await in_status(teller, "delivered")

    [message] = receiver.told
    Webhook(endpoint["secret"]).verify(message.body, message.headers)
    assert message.document["type"] == "job.succeeded"
    assert message.document["data"] == job
    assert delivery.keys() == OF_A_DELIVERY
    assert (delivery["id"], delivery["endpoint_id"], delivery["job_id"]) == (message.id, endpoint["id"], job["id"])
    assert [attempt["status_code"] for attempt in delivery["attempts"]] == [204]
    assert await shown(teller, f"{DELIVERIES}/{delivery['id']}") == delivery


async def test_every_status_is_told_in_order_where_it_is_asked_for(
    teller: httpx.AsyncClient, receiver: HookReceiver
) -> None:
    await make(teller, receiver.url(), events=["terminal", "status"])

    job = await ended_job(teller, "in_progress 0.3s @50%, in_progress 0.3s @90%, succeeded")
    await receiver.until(lambda: job["version"] in [one.version for one in receiver.told])

    versions = [one.version for one in receiver.told]
    assert versions == sorted(set(versions))
    assert receiver.told[-1].document["data"] == job


async def test_a_job_has_a_webhook_of_its_own_whose_secret_is_told_once(
    asking: httpx.AsyncClient, receiver: HookReceiver
) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    body: Document = {
        "requests": [{"custom_id": "a", "body": {}}],
        "webhook": {"url": receiver.url()},
        "metadata": {"simulator": "succeeded"},
    }
    path = "/api/v1/jobs" if asking.auth is None else "/api/v1/batch-status"

    answer = await asking.post(path, json=body, headers=key)
    replayed = await asking.post(path, json=body, headers=key)
    job = await until_terminal(asking, answer.json())
    await receiver.until_told(1)

    secret = answer.json()["webhook_secret"]
    assert (answer.status_code, replayed.headers["idempotent-replayed"]) == (202, "true")
    assert "webhook_secret" not in replayed.json()
    assert "webhook_secret" not in job
    [message] = receiver.told
    Webhook(secret).verify(message.body, message.headers)
    assert message.document["data"] == job


async def test_the_secret_is_told_at_the_end_too_where_the_submit_waited_for_it(
    signer: httpx.AsyncClient, receiver: HookReceiver
) -> None:
    body: Document = {
        "requests": [{"custom_id": "a", "body": {}}],
        "webhook": {"url": receiver.url()},
        "metadata": {"simulator": "succeeded"},
    }

    answer = await signer.post("/api/v1/batch-status", json=body, headers={"Prefer": "wait=20"})

    await receiver.until_told(1)
    secret = answer.json()["webhook_secret"]
    PLANTED.plant("webhook_secret", secret)
    assert (answer.status_code, answer.json()["terminal"]) == (200, True)
    Webhook(secret).verify(receiver.told[0].body, receiver.told[0].headers)


async def test_an_unsigned_submitter_is_told_the_end_alone(client: httpx.AsyncClient, receiver: HookReceiver) -> None:
    webhook = {"url": receiver.url(), "events": ["status"]}

    await until_terminal(client, await submit(client, webhook=webhook))
    # Those of other statuses would come before it, or not at all: nothing older follows what is newer.
    await receiver.until(lambda: any(one.document["data"]["terminal"] for one in receiver.told))

    assert [one.document["type"] for one in receiver.told] == ["job.succeeded"]


async def test_a_submit_whose_webhook_may_not_be_sent_to_is_422(signer: httpx.AsyncClient) -> None:
    body: Document = {"requests": [{"custom_id": "a", "body": {}}], "webhook": {"url": "http://169.254.169.254/"}}

    answer = await signer.post("/api/v1/batch-status", json=body)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/webhook/url")


async def test_a_secret_is_replaced_while_both_sign(teller: httpx.AsyncClient, receiver: HookReceiver) -> None:
    endpoint = await make(teller, receiver.url())

    answer = await teller.post(f"{ENDPOINTS}/{endpoint['id']}/rotate-secret", json={"overlap": 60})
    await teller.post(f"{ENDPOINTS}/{endpoint['id']}/test")
    await receiver.until_told(1)

    assert (answer.status_code, answer.json().keys()) == (201, MEMBERS | {"secret"})
    for secret in (endpoint["secret"], answer.json()["secret"]):
        Webhook(secret).verify(receiver.told[0].body, receiver.told[0].headers)


async def test_a_test_tells_the_endpoint_something_that_is_of_no_job(
    teller: httpx.AsyncClient, receiver: HookReceiver
) -> None:
    endpoint = await make(teller, receiver.url())

    answer = await teller.post(f"{ENDPOINTS}/{endpoint['id']}/test")
    await receiver.until_told(1)

    told = answer.json()
    assert (answer.status_code, told["event"], told["status"]) == (202, "webhook.test", "pending")
    assert (told["job_id"], told["version"]) == (None, None)
    assert receiver.told[0].document["type"] == "webhook.test"
    assert receiver.ids == [told["id"]]


async def test_a_dead_letter_shows_every_attempt_and_is_sent_again_under_its_id(
    teller: httpx.AsyncClient, receiver: HookReceiver
) -> None:
    async def refuse(_told: Told) -> bytes:
        return REFUSED

    async def take(_told: Told) -> bytes:
        return OK

    receiver.answer = refuse
    endpoint = await make(teller, receiver.url())
    await ended_job(teller)
    [dead] = await in_status(teller, "dead")
    failing = await shown(teller, f"{ENDPOINTS}/{endpoint['id']}")
    receiver.answer = take

    answer = await teller.post(f"{DELIVERIES}/{dead['id']}/replay")
    [delivered] = await in_status(teller, "delivered")

    assert [(one["status_code"], one["body"]) for one in dead["attempts"]] == [(500, "no")] * 3
    assert failing["failing_since"] is not None
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert (delivered["id"], len(delivered["attempts"]), set(receiver.ids)) == (dead["id"], 4, {dead["id"]})


async def test_all_dead_letters_of_an_endpoint_are_sent_again(
    teller: httpx.AsyncClient, receiver: HookReceiver
) -> None:
    async def refuse(told: Told) -> bytes:
        return REFUSED if told.path == "/in" else OK

    receiver.answer = refuse
    endpoint = await make(teller, receiver.url("/in"))
    for _ in range(2):
        await ended_job(teller)
    dead = {one["id"] for one in await in_status(teller, "dead", 2)}
    await teller.patch(f"{ENDPOINTS}/{endpoint['id']}", json={"url": receiver.url("/new")})

    none = await teller.post(f"{DELIVERIES}/replay", json={"created_before": "2020-01-01T00:00:00Z"})
    answer = await teller.post(f"{DELIVERIES}/replay", json={"endpoint_id": endpoint["id"]})
    delivered = await in_status(teller, "delivered", 2)

    assert (none.status_code, none.json()["replayed"]) == (202, 0)
    assert answer.json() == {"object": "webhook_replay", "replayed": 2, "has_more": False}
    assert {one["id"] for one in delivered} == dead


async def test_deliveries_are_listed_in_pages_and_by_what_they_are_of(
    teller: httpx.AsyncClient, receiver: HookReceiver
) -> None:
    one, other = await make(teller, receiver.url("/1")), await make(teller, receiver.url("/2"))
    jobs = [await ended_job(teller) for _ in range(2)]
    await in_status(teller, "delivered", 4)

    first = await teller.get(DELIVERIES, params={"limit": 3})
    second = await teller.get(first.links["next"]["url"])
    of_endpoint = await shown(teller, f"{DELIVERIES}?endpoint_id={one['id']}")
    of_both = await shown(teller, f"{DELIVERIES}?endpoint_id={other['id']}&job_id={jobs[0]['id']}&status=delivered")

    listed = [*first.json()["data"], *second.json()["data"]]
    assert [len(page.json()["data"]) for page in (first, second)] == [3, 1]
    assert len({delivery["id"] for delivery in listed}) == 4
    assert {delivery["job_id"] for delivery in of_endpoint["data"]} == {job["id"] for job in jobs}
    assert [(d["endpoint_id"], d["job_id"]) for d in of_both["data"]] == [(other["id"], jobs[0]["id"])]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("status=gone", 422, "invalid_request"),
        ("endpoint_id=%00", 422, "invalid_request"),
        ("job_id=job_1", 422, "invalid_request"),
        ("limit=101", 422, "invalid_request"),
        ("cursor=no", 400, "bad_cursor"),
    ],
)
async def test_a_list_that_is_asked_for_wrongly_says_why(
    teller: httpx.AsyncClient, query: str, status: int, code: str
) -> None:
    answer = await teller.get(f"{DELIVERIES}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00+23:59",  # before the calendar begins, in UTC
        "9999-12-31T23:59:59-23:59",
        "2026-11-23T09:00:00",
        "2026-02-30T00:00:00Z",
        "yesterday",
        {},
    ],
)
async def test_a_replay_since_no_moment_is_422(teller: httpx.AsyncClient, moment: object) -> None:
    answer = await teller.post(f"{DELIVERIES}/replay", json={"created_after": moment})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/created_after")


async def test_another_s_delivery_is_not_there(
    teller: httpx.AsyncClient, foreign_signer: httpx.AsyncClient, receiver: HookReceiver
) -> None:
    endpoint = await make(teller, receiver.url())
    told = (await teller.post(f"{ENDPOINTS}/{endpoint['id']}/test")).json()["id"]

    answers = [
        await foreign_signer.get(f"{DELIVERIES}/{told}"),
        await foreign_signer.post(f"{DELIVERIES}/{told}/replay"),
        await foreign_signer.get(f"{DELIVERIES}/whd_1"),
    ]
    listed = await shown(foreign_signer, f"{DELIVERIES}?endpoint_id={endpoint['id']}")

    assert [(one.status_code, one.json()["code"]) for one in answers] == [(404, "delivery_not_found")] * 3
    assert listed["data"] == []


async def test_what_is_done_to_endpoints_is_in_the_audit_log(teller: httpx.AsyncClient) -> None:
    path = f"{ENDPOINTS}/{(await make(teller, NOBODY))['id']}"
    await teller.patch(path, json={"events": ["status"]})
    await teller.post(f"{path}/rotate-secret")
    await teller.delete(path)

    log = (await shown(teller, "/api/v1/audit"))["data"]

    actions = [row["action"] for row in log if row["action"].startswith("webhook_endpoint.")]
    assert actions == [f"webhook_endpoint.{done}" for done in ("delete", "rotate", "change", "create")]


async def test_nobody_calls_them_unsigned(client: httpx.AsyncClient) -> None:
    answers = [await client.get(path) for path in (ENDPOINTS, DELIVERIES)]

    assert [answer.json()["code"] for answer in answers] == ["invalid_signature"] * 2
