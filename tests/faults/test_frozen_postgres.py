"""A Postgres that is stopped, and answers nothing, not even with an error."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import httpx
import orjson
import psutil
import pytest

from polling_api.embedded import Server
from running.asking import asking
from running.cluster import Cluster
from running.events import open_events
from running.freezing import frozen
from running.jobs import SET, Job, batch, read, set_of
from running.service import Service, running_service
from running.signing import new_client, signing_client
from running.stored import Store

SETTINGS = {"heartbeat_timeout": "1"}  # as in production
FOUND_WITHIN = 20.0  # seconds: two heartbeats of a second each, and room on a busy machine
AT_ONCE = 1.9  # seconds: no deadline of ours is as short
connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
LINES = {"Accept": "application/x-ndjson", "Accept-Encoding": "identity"}
PICTURES, PICTURE = 40, 750_000  # more than all buffers on the way hold
SILENT = 2.0  # seconds in which nothing comes: far more than a batch takes
MISSING = "/api/v1/jobs/job_00000000000000000000000000000000"


@pytest.fixture(scope="module")
def freezing(cluster: Cluster, servers_folder: Path) -> Iterator[Server]:
    server = cluster.server(servers_folder / "freezing")
    yield server
    server.stop()


@pytest.fixture(scope="module")
async def service(freezing: Server, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("frozen")
    async with running_service(freezing.url, redis_url, folder=folder, monitor=False, settings=SETTINGS) as running:
        yield running


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(service.url, patience=40) as asked:
        yield asked


async def test_what_is_known_is_served_with_its_age_and_the_rest_is_refused_at_once(
    client: httpx.AsyncClient, freezing: Server
) -> None:
    job = await submitted(client)
    seen = {"If-None-Match": (await read(client, job)).headers["etag"]}

    with frozen(freezing):
        await until_open(client)
        marked = await until_marked(client, job)
        unchanged = await client.get(job["links"]["self"], headers=seen)
        many = await client.post(f"{SET}/batch-get", json={"jobs": [{"id": job["id"]}]})
        took, refused = await timed(
            client.get(MISSING),
            client.post("/api/v1/jobs", json=batch()),
            client.post(job["links"]["cancel"]),
            client.get(job["links"]["results"]),
            client.get("/health/ready"),
        )
        live = await client.get("/health/live")
        async with open_events(client, f"{MISSING}/events", params={"refusals": "stream"}) as stream:
            told = await stream.rest()
    back = await until_unmarked(client, job)

    assert marked.status_code == 200
    assert marked.headers["x-served-from"] == "snapshot"
    assert 0 < int(marked.headers["age"]) <= 300
    assert unchanged.status_code == 304
    assert unchanged.headers["x-served-from"] == "snapshot"
    assert [one["status"] for one in many.json()["data"]] == [200]
    assert many.headers["x-served-from"] == "snapshot"
    assert 0 < int(many.headers["age"]) <= 300
    assert [answer.status_code for answer in refused] == [503] * 5
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused[:-1])
    assert took < AT_ONCE
    assert refused[-1].json()["parts"]["postgres"]["status"] == "down"
    assert refused[-1].json()["circuits"]["postgres"] != "closed"
    assert live.status_code == 200
    assert [(event.event, event.job["code"]) for event in told] == [("problem", "unavailable")]
    assert back.status_code == 200
    assert "age" not in back.headers


async def test_a_download_that_is_under_way_waits_and_goes_on(
    client: httpx.AsyncClient, service: Service, freezing: Server
) -> None:
    job = await submitted(client, items=PICTURES)
    await client.post(job["links"]["cancel"])
    await Store(freezing.url).respond(job["id"], PICTURE)
    # Not the client that looks into every answer for secrets: that takes a second for a megabyte.
    async with (
        httpx.AsyncClient(base_url=service.url, timeout=40, trust_env=False) as plain,
        plain.stream("GET", job["links"]["results"], headers=LINES) as answer,
    ):
        pieces = answer.aiter_raw()
        with frozen(freezing):
            await until_open(client)
            before, following = await until_silent(pieces)
        rest = b"".join([await following, *[piece async for piece in pieces]])

    *rows, end = [orjson.loads(line) for line in (before + rest).splitlines()]
    assert 0 < len(before.splitlines()) < PICTURES
    assert [row["index"] for row in rows] == [*range(PICTURES)]
    assert end == {"object": "results.end", "count": PICTURES}


async def test_an_end_is_told_with_its_age_too_by_every_transport(client: httpx.AsyncClient, freezing: Server) -> None:
    job = await submitted(client)
    await client.post(job["links"]["cancel"])
    ended = await read(client, job)
    this, events, many = job["links"]["self"], job["links"]["events"], {"ids": job["id"]}
    seen, last = {"If-None-Match": ended.headers["etag"]}, {"Last-Event-ID": str(ended.json()["version"])}

    with frozen(freezing):
        await until_open(client)
        await until_marked(client, job)
        _, answers = await timed(
            client.get(this),
            client.head(this),
            client.get(this, headers=seen),
            client.get(this, headers=seen, params={"wait": 5}),
            client.post(f"{SET}/batch-get", json={"jobs": [{"id": job["id"]}]}),
            client.get(events),
            client.get(events, headers=last),
            client.head(events),
            client.get(f"{SET}/events", params=many),
        )
    back = await until_unmarked(client, job)

    assert ended.json()["terminal"]
    assert [answer.status_code for answer in answers] == [200, 200, 304, 304, 200, 200, 204, 200, 200]
    assert {answer.headers.get("x-served-from") for answer in answers} == {"snapshot"}
    assert all(0 < int(answer.headers["age"]) <= 86_400 for answer in answers)
    assert back.json() == ended.json()


async def test_nobody_waits_long_for_it_before_it_is_found_out(client: httpx.AsyncClient, freezing: Server) -> None:
    job = await submitted(client)

    with frozen(freezing):
        took, answers = await timed(
            client.get(MISSING),
            client.post("/api/v1/jobs", json=batch()),
            client.post(job["links"]["cancel"]),
            client.get(job["links"]["results"]),
        )
    await until_unmarked(client, job)

    assert {answer.status_code for answer in answers} <= {503, 409}  # what was known less than 4 s before is told
    assert [answer.status_code for answer in answers[:3]] == [503] * 3
    assert took < FOUND_WITHIN


async def test_a_foreign_job_that_is_known_is_refused_like_one_that_is_missing(
    service: Service, client: httpx.AsyncClient, freezing: Server
) -> None:
    async with signing_client(service.url, await new_client(freezing.url)) as owner:
        job = await submitted(owner)
        await read(owner, job)
        foreign = f"{SET}/{job['id']}"

        with frozen(freezing):
            await until_open(client)
            own = await until_marked(owner, job)
            polls = [await client.get(path) for path in (foreign, MISSING)]
            streams = [await client.get(f"{path}/events") for path in (foreign, MISSING)]
        await until_unmarked(owner, job)

    assert (own.status_code, own.json()["id"]) == (200, job["id"])
    for foreigns, missings in (polls, streams):
        assert (foreigns.status_code, missings.status_code) == (503, 503)
        assert _alike(foreigns) == _alike(missings)


async def test_a_postgres_that_crashed_is_away_for_a_moment_and_no_state_goes_back(
    client: httpx.AsyncClient, freezing: Server
) -> None:
    job = await submitted(client)
    before = await read(client, job)

    await kill_a_backend(freezing)
    during = [await read(client, job) for _ in range(20)]
    back = await until_unmarked(client, job)
    await submitted(client)

    assert {answer.status_code for answer in during} == {200}
    assert {answer.json()["version"] for answer in [*during, back]} == {before.json()["version"]}


async def test_a_wait_ends_with_what_is_known_and_a_stream_goes_on_when_it_is_back(
    client: httpx.AsyncClient, freezing: Server
) -> None:
    job = await submitted(client)
    seen = {"If-None-Match": (await read(client, job)).headers["etag"]}

    async with open_events(client, job["links"]["events"]) as events:
        first = await events.event(FOUND_WITHIN)
        with frozen(freezing):
            await until_open(client)
            waited = await client.get(job["links"]["self"], params={"wait": 6}, headers=seen)
        await until_unmarked(client, job)
        await client.post(job["links"]["cancel"])
        last = await events.event(FOUND_WITHIN)

    assert waited.status_code == 304
    assert waited.headers["x-served-from"] == "snapshot"
    assert int(waited.headers["age"]) >= 4
    assert (first.job["version"], first.job["status"]) == (1, "queued")
    assert (last.job["version"], last.job["status"]) == (2, "cancelled")


def _alike(refused: httpx.Response) -> tuple[dict[str, Any], set[str]]:
    """What of a refusal has to be the same whoever is refused what."""
    told = {name: value for name, value in refused.json().items() if name not in {"instance", "correlation_id"}}
    told["retry_after"] = told["retry_after"] >= 1
    return told, set(refused.headers) - {"date", "x-correlation-id"}


async def kill_a_backend(server: Server) -> None:
    """Have Postgres end all connections and recover, as after a crash."""
    connection = await connect(server.url)
    pid = await connection.fetchval("SELECT pid FROM pg_stat_activity WHERE application_name = 'polling-api requests'")
    psutil.Process(pid).kill()
    connection.terminate()


async def submitted(client: httpx.AsyncClient, items: int = 2) -> Job:
    """A job, as soon as one can be submitted: what was found away by the last test may still be left alone."""
    async with asyncio.timeout(30):
        while (answer := await client.post(set_of(client), json=batch(items))).status_code != 202:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.1)
    return answer.json()


async def until_silent(pieces: AsyncIterator[bytes]) -> tuple[bytes, asyncio.Future[bytes]]:
    """What comes until nothing does for a while; and what will come next."""
    came = b""
    while True:
        following = asyncio.ensure_future(anext(pieces))
        await asyncio.wait([following], timeout=SILENT)
        if not following.done():
            return came, following
        came += await following


async def until_open(client: httpx.AsyncClient) -> None:
    await _until(client, "/health/ready", lambda answer: answer.json()["circuits"]["postgres"] != "closed")


async def until_marked(client: httpx.AsyncClient, job: Job) -> httpx.Response:
    return await _until(client, job["links"]["self"], lambda answer: "age" in answer.headers)


async def until_unmarked(client: httpx.AsyncClient, job: Job) -> httpx.Response:
    return await _until(
        client, job["links"]["self"], lambda answer: answer.status_code == 200 and "age" not in answer.headers
    )


async def _until(
    client: httpx.AsyncClient, path: str, holds: Callable[[httpx.Response], bool], within: float = FOUND_WITHIN
) -> httpx.Response:
    """Ask until the answer is as it should be; every wait in between is the service's own."""
    async with asyncio.timeout(within):
        while not holds(answer := await client.get(path)):  # noqa: ASYNC110 - the service has no event for us
            await asyncio.sleep(0.1)
    return answer


async def timed(*asked: Awaitable[httpx.Response]) -> tuple[float, list[httpx.Response]]:
    """All answers, and the seconds until the last of them."""
    began = monotonic()
    answers = await asyncio.gather(*asked)
    return monotonic() - began, answers
