"""No read of results, no token and no key without its row, whatever dies, and whenever."""

import asyncio
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import httpx
import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import new_job_id
from running.forging import Wire, signed
from running.jobs import Job
from running.recorded import Recorded
from running.service import Service, running_service
from running.signing import Credentials
from running.tokens import bearing, simple, token_for

PROGRAM = Path(__file__).with_name("worker_process.py")
STARTED_WITHIN = 45.0  # seconds; on a busy machine an interpreter alone takes some
SOON = 8.0  # seconds: the deadline of an entry is 2, and the machine may be busy


@pytest.fixture(scope="module")
async def service(
    postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("audited")
    async with running_service(postgres_url, redis_url, folder=folder) as running:
        yield running


class Call(NamedTuple):
    """A call that has to be recorded: method, path, body."""

    method: str
    path: str
    body: bytes = b""

    def wire(self, owner: Credentials, url: str, correlation_id: str) -> Wire:
        """The call as the owner makes it."""
        wire = signed(owner, url, self.path, method=self.method, body=self.body)
        return wire.adding(("X-Correlation-ID", correlation_id))


@pytest.fixture
def calls(finished: Job) -> dict[str, Call]:
    return {
        "results.read": Call("GET", finished["links"]["results"]),
        "token.create": Call("POST", "/api/v1/access-tokens", b'{"jobs":"all"}'),
        "key.create": Call("POST", "/api/v1/keys", b"{}"),
    }


@asynccontextmanager
async def dying_worker(
    environment: dict[str, str], point: str, signal_name: str
) -> AsyncGenerator[tuple[Process, str]]:
    """A worker that gets a signal at a point, and its address; for as long as the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAM), str(fd), point, signal_name, env=environment, pass_fds=[fd]
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        async with httpx.AsyncClient(timeout=STARTED_WITHIN, trust_env=False) as client:
            async with asyncio.timeout(STARTED_WITHIN):
                while (await client.get(f"{url}/health/ready")).json()["status"] != "ready":  # noqa: ASYNC110 - outside
                    await asyncio.sleep(0.05)
        yield process, url
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.wait()


@pytest.mark.parametrize(
    ("action", "point"), [("results.read", "recorded"), ("token.create", "recorded"), ("key.create", "key made")]
)
async def test_a_worker_killed_between_the_commit_and_the_answer_leaves_the_row(
    service: Service, owner: Credentials, calls: dict[str, Call], recorded: Recorded, action: str, point: str
) -> None:
    correlation_id = uuid4().hex
    async with dying_worker(service.workers[0].environment, point, "KILL") as (process, url):
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)) as unanswered:
            await calls[action].wire(owner, url, correlation_id).sent(url)
        died_of = -await process.wait()

    [row] = await recorded.of(correlation_id)
    assert died_of == signal.SIGKILL
    assert getattr(unanswered.value, "partial", b"") == b""
    assert (row.action, row.outcome, row.client_id) == (action, "allowed", owner.client_id)


async def test_the_row_is_there_before_the_first_byte(
    service: Service, owner: Credentials, calls: dict[str, Call], recorded: Recorded
) -> None:
    correlation_id = uuid4().hex
    async with dying_worker(service.workers[0].environment, "recorded", "STOP") as (process, url):
        asking = asyncio.create_task(calls["results.read"].wire(owner, url, correlation_id).sent(url))
        async with asyncio.timeout(STARTED_WITHIN):
            while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:  # noqa: ASYNC110 - outside
                await asyncio.sleep(0.02)

        rows, answered = await recorded.of(correlation_id), asking.done()
        process.send_signal(signal.SIGCONT)
        answer = await asking

    assert (len(rows), answered, answer.status) == (1, False, 200)


async def test_what_cannot_be_recorded_is_not_told(
    service: Service, engine: AsyncEngine, owner: Credentials, calls: dict[str, Call], recorded: Recorded, finished: Job
) -> None:
    """Postgres answers, but for the log: it is locked."""
    ids = {action: uuid4().hex for action in ("results.read", "token.create")}
    async with engine.begin() as connection:
        await connection.execute(text("LOCK TABLE audit IN ACCESS EXCLUSIVE MODE"))
        async with asyncio.timeout(SOON):
            answers = [
                await calls[action].wire(owner, service.url, one).sent(service.url) for action, one in ids.items()
            ]
            status = await signed(owner, service.url, finished["links"]["self"]).sent(service.url)

    assert [(answer.status, answer.code) for answer in answers] == [(503, "unavailable")] * 2
    assert {answer.json["detail"] for answer in answers} == {"What is done cannot be recorded in time."}
    assert [int(answer.headers["retry-after"]) > 0 for answer in answers] == [True, True]
    assert status.status == 200
    # It may be written late, when nobody waits any more: a row too many is no harm.
    assert {row.outcome for row in await recorded.all() if row.correlation_id in ids.values()} <= {"allowed"}


async def test_a_row_says_who_did_what_from_where_and_when(
    owner: Credentials,
    signer: httpx.AsyncClient,
    client: httpx.AsyncClient,
    recorded: Recorded,
    finished: Job,
    public: Job,
) -> None:
    token = await token_for(signer, finished)
    correlation_id = f"the-callers-own-{uuid4().hex}"
    headers = {"X-Correlation-ID": correlation_id}
    results = finished["links"]["results"]

    made = (await signer.post("/api/v1/keys", headers=headers)).json()["id"]
    rotated = (await signer.post(f"/api/v1/keys/{made}/rotate", headers=headers)).json()["id"]
    await signer.delete(f"/api/v1/keys/{rotated}", headers=headers)
    await signer.post("/api/v1/access-tokens", json={"jobs": "all"}, headers=headers)
    await signer.get(results, headers=headers)
    await signer.head(results, headers=headers)
    await client.get(simple(finished)["links"]["results"], headers={**bearing(token), **headers})
    await client.get(public["links"]["results"], headers=headers)

    rows = await recorded.of(correlation_id)
    key, nobody = f"key:{owner.key_id}", (None, "anonymous", "results.read", public["id"])
    told = [row[:4] for row in rows]
    assert told[:-2] == [
        (owner.client_id, key, "key.create", None),
        (owner.client_id, key, "key.rotate", None),
        (owner.client_id, key, "key.revoke", None),
        (owner.client_id, key, "token.create", None),
        (owner.client_id, key, "results.read", finished["id"]),
        (owner.client_id, key, "results.read", finished["id"]),
    ]
    assert (told[-2][0], told[-2][1].partition(":")[0], told[-2][3]) == (owner.client_id, "token", finished["id"])
    assert told[-1] == nobody
    assert {(row.address, row.outcome, row.times) for row in rows} == {("127.0.0.1", "allowed", 1)}
    assert len({row.request_id for row in rows}) == len(rows)
    assert [text for text in (token, owner.secret) if text in str(rows)] == []


async def test_refusals_are_summed_with_a_row_for_each_caller_code_and_route(
    service: Service, owner: Credentials, recorded: Recorded
) -> None:
    wrong = Credentials(owner.client_id, owner.key_id, "AAAA" * 10 + "AAA=")
    for _ in range(3):
        path = f"/api/v1/batch-status/{new_job_id()}"
        assert (await signed(owner, service.url, path).sent(service.url)).status == 404
        assert (await signed(wrong, service.url, path).sent(service.url)).status == 401

    await service.workers[0].stop()
    await service.workers[0].ended()

    refused = [row for row in await recorded.all() if row.action == "refused.read_job"]
    counted: dict[tuple[str | None, str, str], int] = {}
    for row in refused:  # two, where the minute was over in between
        one = (row.client_id, row.actor, row.outcome)
        counted[one] = counted.get(one, 0) + row.times
    assert counted == {
        (owner.client_id, f"key:{owner.key_id}", "job_not_found"): 3,
        (None, "anonymous", "invalid_signature"): 3,
    }
    assert {row.address for row in refused} == {"127.0.0.1"}
