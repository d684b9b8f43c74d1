"""Signed requests and tokens while Redis, or Postgres, answers nothing: reads of status go on, all else is `503`."""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import orjson
import pytest

from in_process.carriers import RedisCarrier
from polling_api.embedded import Server
from running.cluster import Cluster
from running.events import open_events
from running.forging import signed
from running.freezing import frozen
from running.jobs import SIGNED_SET, Job, batch, quiet_job, read
from running.raw import RawAnswer
from running.service import Service, running_service
from running.signing import Credentials
from running.tokens import bearing, simple, token_for

WITHIN = 30.0  # seconds until a breaker that has opened some times asks again
# Nonces have more time than the 20 ms of production, in which a busy machine gets no answer of a Redis that is well
# either; statements have less than the 15 s, or the tests would wait for each of them for so long.
SETTINGS = {"nonce_timeout": "0.5", "statement_timeout": "2"}
BODY = orjson.dumps(batch(1))
UNCERTAIN = (503, "unavailable")


@pytest.fixture(scope="module")
def postgres(cluster: Cluster, servers_folder: Path) -> Iterator[Server]:
    """A server of this module's own, to be frozen."""
    server = cluster.server(servers_folder / "in-trouble")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def database_url(postgres: Server) -> str:
    return postgres.url


@pytest.fixture(scope="module")
async def service(
    postgres: Server, redis: RedisCarrier, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """Two workers."""
    folder = tmp_path_factory.mktemp("in-trouble")
    async with running_service(
        postgres.url, redis.server.url, folder=folder, workers=2, settings={**SETTINGS, "keepalive_every": "0.5"}
    ) as running:
        yield running


@pytest.fixture(autouse=True)
async def certain(service: Service, owner: Credentials) -> None:
    """Each node can say for certain who calls, whatever the test before has done to it."""
    for url in service.worker_urls:
        async with asyncio.timeout(WITHIN):
            while (await signed(owner, url, "/api/v1/keys").sent(url)).status != 200:  # noqa: ASYNC110 - outside
                await asyncio.sleep(0.1)


@pytest.fixture
async def job(signer: httpx.AsyncClient) -> Job:
    """A job of the owner's that does not change."""
    return (await quiet_job(signer)).json()


@contextmanager
def frozen_redis(redis: RedisCarrier) -> Generator[None]:
    redis.freeze()
    try:
        yield
    finally:
        redis.thaw()


async def tried(owner: Credentials, url: str, job: Job, finished: Job) -> Sequence[RawAnswer]:
    """All that may not be done for anybody but the client: a submit, the results, a cancel, a delete, a token, keys."""
    return [
        await signed(owner, url, path, method=method, body=body).sent(url)
        for method, path, body in [
            ("POST", SIGNED_SET, BODY),
            ("GET", finished["links"]["results"], b""),
            ("POST", job["links"]["cancel"], b""),
            ("DELETE", finished["links"]["self"], b""),
            ("POST", "/api/v1/access-tokens", b'{"jobs":"all"}'),
            ("POST", "/api/v1/keys", b"{}"),
            ("POST", f"/api/v1/keys/{owner.key_id}/rotate", b"{}"),
            ("DELETE", f"/api/v1/keys/{owner.key_id}", b""),
        ]
    ]


async def test_while_redis_is_frozen_status_is_told_and_all_else_is_503(
    service: Service, redis: RedisCarrier, owner: Credentials, job: Job, finished: Job
) -> None:
    here = service.url
    with frozen_redis(redis):
        reads = [
            await signed(owner, here, job["links"]["self"] + below, method=method).sent(here)
            for method, below in [("GET", ""), ("HEAD", ""), ("GET", "/history"), ("HEAD", "/events")]
        ]
        writes = await tried(owner, here, job, finished)
    after = await signed(owner, here, job["links"]["self"]).sent(here)

    assert [answer.status for answer in reads] == [200] * 4
    assert [(answer.status, answer.code) for answer in writes] == [UNCERTAIN] * 8
    assert all(int(answer.headers["retry-after"]) > 0 for answer in writes)
    assert after.json == job


async def test_while_redis_is_frozen_a_node_refuses_what_it_has_seen_itself(
    service: Service, redis: RedisCarrier, owner: Credentials, job: Job
) -> None:
    here, there = service.worker_urls
    before, during = [signed(owner, here, job["links"]["self"]) for _ in range(2)]
    first = [await before.sent(here)]

    with frozen_redis(redis):
        first.append(await during.sent(here))
        again = [await wire.sent(here) for wire in (before, during)]
        elsewhere = await during.sent(there)

    assert [answer.status for answer in first] == [200, 200]
    assert [answer.headers["www-authenticate"].rpartition("rule=")[2] for answer in again] == ['"replayed"'] * 2
    # The stated limit: of a read of status another node cannot know, and a write it would have refused.
    assert elsewhere.status == 200


async def test_a_token_needs_no_redis(
    redis: RedisCarrier, client: httpx.AsyncClient, signer: httpx.AsyncClient, finished: Job
) -> None:
    token = bearing(await token_for(signer, finished))
    links = simple(finished)["links"]

    with frozen_redis(redis):
        answers = [await client.get(links[name], headers=token) for name in ("self", "results", "events")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_when_redis_has_forgotten_a_node_still_refuses_what_it_has_seen(
    service: Service, redis: RedisCarrier, owner: Credentials, job: Job
) -> None:
    wire = signed(owner, service.url, job["links"]["self"])
    first = await wire.sent(service.url)

    async with redis.client() as connection:
        await connection.flushall()
    again = await wire.sent(service.url)

    assert first.status == 200
    assert (again.status, again.headers["www-authenticate"].rpartition("rule=")[2]) == (401, '"replayed"')


async def test_while_postgres_is_frozen_what_is_known_is_told_and_all_else_is_503(
    postgres: Server, client: httpx.AsyncClient, signer: httpx.AsyncClient, job: Job, finished: Job
) -> None:
    token = bearing(await token_for(signer, job, finished))
    seen = {"If-None-Match": (await read(signer, job)).headers["etag"]}
    await read(signer, finished)
    path, links = simple(job)["links"]["self"], simple(finished)["links"]

    async with open_events(client, f"{path}/events", headers=token) as stream:
        first = await stream.event()
        with frozen(postgres):
            told = await asyncio.gather(
                signer.get(job["links"]["self"]),
                client.get(path, headers={**token, **seen}),
                client.head(f"{path}/events", headers=token),
                signer.get(finished["links"]["events"]),
            )
            still = await stream.comment()
            refused = await asyncio.gather(
                client.get(links["results"], headers=token),
                signer.get(finished["links"]["results"]),
                signer.post(job["links"]["cancel"]),
                signer.post("/api/v1/access-tokens", json={"jobs": "all"}),
                signer.post(SIGNED_SET, json=batch(1)),
            )
        await until_cancelled(signer, job)
        later = await stream.event()

    assert (first.event, still.text) == ("job", "")
    assert [answer.status_code for answer in told] == [200, 304, 200, 200]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {UNCERTAIN}
    assert later.job["status"] == "cancelling"


async def until_cancelled(signer: httpx.AsyncClient, job: Job) -> None:
    """Ask for the end of a job until it can be said for certain who does."""
    async with asyncio.timeout(WITHIN):
        while (await signer.post(job["links"]["cancel"])).status_code != 202:  # noqa: ASYNC110 - outside
            await asyncio.sleep(0.1)
