"""The provider says by itself that a batch has ended. The monitor here looks once in ten minutes."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from in_process.deadlines import comes_true
from polling_api.embedded import Server
from polling_api.webhooks.places import UPSTREAM
from polling_api.webhooks.standard import Message, key_of, signed
from running.asking import asking
from running.databases import cloned
from running.jobs import Job, long_poll, read, submit, until_status
from running.planted import PUSH_SECRET
from running.service import Service, running_service
from running.stored import Store

SOON = "in_progress 0.5s @50%, succeeded"
RARELY = {"monitor_interval": "600", "upstream_webhook_secret": PUSH_SECRET}


@pytest.fixture(scope="module")
async def pushing_url(postgres: Server, template: str) -> str:
    return await cloned(postgres, template, "pushes")


@pytest.fixture(scope="module")
def store(pushing_url: str) -> Store:
    return Store(pushing_url)


@pytest.fixture(scope="module")
async def pushed(pushing_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("pushed")
    async with running_service(pushing_url, redis_url, folder=folder, settings=RARELY) as running:
        yield running


@pytest.fixture(scope="module")
async def client(pushed: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(pushed.url) as client:
        yield client


@pytest.fixture
async def simulator(pushed: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Its controls; what was ordered is forgotten afterwards."""
    async with httpx.AsyncClient(base_url=f"{pushed.simulator_url}/simulator", trust_env=False) as controls:
        await controls.delete("/calls")
        yield controls
        await controls.delete("/faults")


async def order(simulator: httpx.AsyncClient, kind: str, **fault: Any) -> None:
    (await simulator.post("/faults", json={"kind": kind, **fault})).raise_for_status()


async def until_sent(simulator: httpx.AsyncClient, **wanted: int) -> None:
    async def sent() -> bool:
        return (await simulator.get("/calls")).json()["pushes"] == wanted

    await comes_true(sent)


async def ends(client: httpx.AsyncClient, job: Job) -> Job:
    return (await long_poll(client, job, 30, until="terminal")).json()


async def event_of(store: Store, job: Job, **changed: Any) -> bytes:
    batch_id = (await store.look_of(job["id"])).batch_id
    told = {"id": "evt_1", "object": "event", "created_at": 1, "type": "batch.completed", "data": {"id": batch_id}}
    return json.dumps(told | changed).encode()


async def send(
    client: httpx.AsyncClient, body: bytes, *, name: str, secret: str = PUSH_SECRET, at: float | None = None
) -> httpx.Response:
    now = int(time.time() if at is None else at)
    headers = {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(now),
        "webhook-signature": signed(key_of(secret), Message(name, now), body),
    }
    return await client.post(UPSTREAM, content=body, headers=headers)


async def pushes_counted(client: httpx.AsyncClient) -> dict[str, float]:
    lines = (await client.get("/metrics")).text.splitlines()
    counts = [line for line in lines if line.startswith("polling_pushes_total{")]
    return {line.split('"')[1]: float(line.split()[-1]) for line in counts}


@pytest.mark.parametrize("end", ["succeeded", "failed", "expired"])
async def test_an_end_is_known_long_before_the_monitor_would_have_looked(client: httpx.AsyncClient, end: str) -> None:
    job = await submit(client, f"in_progress 0.5s @50%, {end}")

    assert (await ends(client, job))["status"] == end


async def test_a_cancel_that_took_its_time_is_known_as_soon_as_it_is_done(client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 600s, succeeded")
    await until_status(client, job, "in_progress")
    await client.post(job["links"]["cancel"])

    assert (await ends(client, job))["status"] == "cancelled"


async def test_an_event_that_comes_late_and_one_that_comes_twice_end_a_job_once(
    client: httpx.AsyncClient, simulator: httpx.AsyncClient
) -> None:
    await order(simulator, "push_late", value=0.5)
    late = await ends(client, await submit(client, SOON))
    await order(simulator, "push_doubled")
    doubled = await ends(client, await submit(client, SOON))

    await until_sent(simulator, taken=3)
    assert [job["status"] for job in (late, doubled)] == ["succeeded", "succeeded"]
    assert (await read(client, doubled)).json() == doubled


async def test_an_event_that_is_lost_leaves_the_end_to_the_next_look(
    client: httpx.AsyncClient, simulator: httpx.AsyncClient, store: Store
) -> None:
    await order(simulator, "push_lost")
    job = await submit(client, SOON)
    await until_sent(simulator, lost=1)
    assert not (await read(client, job)).json()["terminal"]

    await store.let_it_be_time(job["id"])

    assert (await ends(client, job))["status"] == "succeeded"


async def test_an_event_that_somebody_else_signed_changes_nothing(
    client: httpx.AsyncClient, simulator: httpx.AsyncClient, store: Store
) -> None:
    await order(simulator, "push_forged")
    job = await submit(client, SOON)
    await until_sent(simulator, refused=1)
    present, look = await read(client, job), await store.look_of(job["id"])

    other = "whsec_" + "A" * 43
    answer = await send(client, await event_of(store, job), name="wh_forged", secret=other)

    assert answer.status_code == 401
    assert answer.json()["code"] == "invalid_signature"
    assert await store.look_of(job["id"]) == look
    assert (await read(client, job)).json() == present.json()
    assert not present.json()["terminal"]


async def test_an_event_that_is_not_true_only_has_the_job_looked_at(client: httpx.AsyncClient, store: Store) -> None:
    job = await submit(client, "in_progress 600s @50%, succeeded")
    present = (await until_status(client, job, "in_progress")).json()
    look = await store.look_of(job["id"])

    answer = await send(client, await event_of(store, job), name="wh_untrue")

    async def looked_at() -> bool:
        return (await store.look_of(job["id"])).due_at > look.due_at

    assert answer.status_code == 204
    await comes_true(looked_at)
    assert (await read(client, job)).json() == present


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"type":"response.completed","data":{"id":"resp_1"}}', 204, None),
        (b'{"type":"batch.completed","data":{"id":"batch_of_somebody_else"}}', 204, None),
        (b"not JSON", 400, "bad_request"),
        (b'{"type":"batch.completed","data":{}}', 400, "bad_request"),
        (b" " * (64 * 1024 + 1), 413, "body_too_large"),
    ],
)
async def test_what_else_the_provider_sends_is_answered(
    client: httpx.AsyncClient, body: bytes, status: int, code: str | None
) -> None:
    answer = await send(client, body, name=f"wh_{len(body)}")

    assert answer.status_code == status
    assert code is None or answer.json()["code"] == code


async def test_an_event_of_long_ago_is_refused(client: httpx.AsyncClient) -> None:
    answer = await send(client, b"{}", name="wh_old", at=time.time() - 600)

    assert answer.status_code == 401


async def test_a_repeated_event_is_taken_and_nobody_is_asked_for_it(client: httpx.AsyncClient) -> None:
    body = b'{"type":"batch.completed","data":{"id":"batch_of_nobody"}}'
    before = (await pushes_counted(client)).get("repeated", 0)

    answers = [await send(client, body, name="wh_repeated") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [204, 204, 204]
    assert (await pushes_counted(client))["repeated"] == before + 2


async def test_the_address_knows_one_method(client: httpx.AsyncClient) -> None:
    answer = await client.get(UPSTREAM)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "OPTIONS, POST"


async def test_without_a_secret_there_is_no_such_address(service: Service) -> None:
    async with asking(service.url) as client:
        answer = await send(client, b"{}", name="wh_1")

    assert answer.status_code == 404
