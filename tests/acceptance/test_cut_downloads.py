"""Contract: a download whose results go while it runs says why it ends, and has no end; large items come whole."""

import zlib
from contextlib import AsyncExitStack
from typing import Any

import httpx
import orjson
import pytest

from in_process.deadlines import comes_true
from polling_api.coding import zstd
from running.jobs import Job, ended_job
from running.raw import RawConnection, raw_connection
from running.service import Service
from running.stored import Store

LINES = "application/x-ndjson"
ITEMS, LARGE = 60, 750_000  # more than all buffers on the way hold, compressed too
PICTURE = 5_000_000
CROWD = 25  # readers: more than a worker's pool has connections
CODINGS = pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])


async def large_job(client: httpx.AsyncClient, store: Store, items: int, size: int) -> Job:
    """A finished job whose every result is a picture of so many random bytes."""
    job = await ended_job(client, items=items)
    await store.respond(job["id"], size)
    return job


def decoder(coding: str) -> Any:
    """Something that decompresses; None for `identity`."""
    return {"gzip": lambda: zlib.decompressobj(31), "zstd": zstd.ZstdDecompressor}.get(coding, lambda: None)()


async def begun(service: Service, job: Job, connection: RawConnection, coding: str) -> None:
    """Ask for all lines, on a connection that reads nothing yet."""
    path, host = job["links"]["results"], httpx.URL(service.url).netloc.decode()
    fields = [f"Host: {host}", f"Accept: {LINES}", f"Accept-Encoding: {coding}"]
    await connection.send("\r\n".join([f"GET {path} HTTP/1.1", *fields, "", ""]).encode())


def chunks_of(body: bytes) -> tuple[bytes, bool]:
    """A chunked body put together, and whether it has its end (RFC 9112, section 7.1)."""
    whole = bytearray()
    while body:
        size, _, rest = body.partition(b"\r\n")
        if int(size, 16) == 0:
            return bytes(whole), True
        whole += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
    return bytes(whole), False


def why_cut(body: bytes, coding: str) -> tuple[str, str]:
    """The code and message of a download that ends too early, all of whose lines up to there came, in their order."""
    decompressor = decoder(coding)
    lines = (decompressor.decompress(body) if decompressor else body).splitlines()
    assert decompressor is None or not decompressor.eof
    assert [orjson.loads(line)["index"] for line in lines[:-1]] == [*range(len(lines) - 1)]
    assert 0 < len(lines) - 1 < ITEMS
    last = orjson.loads(lines[-1])
    assert last.keys() == {"object", "code", "message"}
    assert last["object"] == "results.cut"
    return last["code"], last["message"]


@CODINGS
async def test_a_download_of_a_job_that_is_deleted_meanwhile_says_so_and_has_no_end(
    client: httpx.AsyncClient, service: Service, store: Store, coding: str
) -> None:
    job = await large_job(client, store, ITEMS, LARGE)
    async with raw_connection(httpx.URL(service.url).port or 0) as connection:
        await begun(service, job, connection, coding)
        head = await connection.head()
        deleted = await client.delete(job["links"]["self"])
        body, ended = chunks_of(await connection.rest())

    assert (head.status, deleted.status_code, ended) == (200, 204, False)
    assert why_cut(body, coding) == ("job_not_found", "The job was deleted.")


@CODINGS
async def test_a_download_whose_results_are_deleted_by_plan_meanwhile_says_so_and_has_no_end(
    client: httpx.AsyncClient, service: Service, store: Store, coding: str
) -> None:
    job = await large_job(client, store, ITEMS, LARGE)
    async with raw_connection(httpx.URL(service.url).port or 0) as connection:
        await begun(service, job, connection, coding)
        head = await connection.head()
        await store.let_results_expire(job["id"])

        async def are_gone() -> bool:
            return not await store.results_of(job["id"])

        await comes_true(are_gone, within=30)  # the monitor deletes them, in its own time
        body, ended = chunks_of(await connection.rest())

    assert (head.status, ended) == (200, False)
    assert why_cut(body, coding) == ("results_expired", "The job's results were deleted by plan.")


async def test_readers_who_take_nothing_hold_no_connection_to_the_database(
    client: httpx.AsyncClient, service: Service, store: Store
) -> None:
    job = await large_job(client, store, ITEMS, LARGE)
    async with AsyncExitStack() as stack:
        port = httpx.URL(service.worker_urls[0]).port or 0
        stalled = [await stack.enter_async_context(raw_connection(port)) for _ in range(CROWD)]
        for connection in stalled:
            await begun(service, job, connection, "identity")
            await connection.head()

        async def none_is_at_work() -> bool:
            return not await store.connections_at_work("polling-api requests")

        await comes_true(none_is_at_work)
        beside = await client.get(job["links"]["results"], params={"limit": 1, "fields": "index"})

    assert beside.json()["data"] == [{"index": 0}]


async def test_a_picture_of_five_megabytes_comes_as_it_was_stored(
    client: httpx.AsyncClient, store: Store, service: Service
) -> None:
    job = await large_job(client, store, 3, PICTURE)
    path = job["links"]["results"]

    # Not the client that looks into every answer for secrets: that takes a second for a megabyte.
    async with httpx.AsyncClient(base_url=service.url, timeout=60, trust_env=False) as plain:
        page = (await plain.get(path)).json()
        rest = (await plain.get(path, params={"after": page["next_cursor"]})).json()
        lines = [orjson.loads(line) for line in (await plain.get(path, headers={"Accept": LINES})).text.splitlines()]
        small = (await plain.get(path, params={"fields": "index,response.status_code", "limit": 1})).json()

    assert [len(row["response"]["body"]["data"][0]["b64_json"]) for row in lines[:-1]] == [6_666_668] * 3
    assert [*page["data"], *rest["data"]] == lines[:-1]
    assert (len(page["data"]), page["has_more"], rest["has_more"]) == (2, True, False)  # it ends by its bytes
    assert small["data"] == [{"index": 0, "response": {"status_code": 200}}]


@pytest.mark.parametrize(
    ("script", "outcomes"),
    [
        ("in_progress 0.05s @50% fail=1, expired", ["completed", "failed", "expired", "expired"]),
        ("in_progress 0.05s @50% fail=1, cancelled", ["completed", "failed", "cancelled", "cancelled"]),
        ("in_progress 0.05s @50%, failed", ["failed"] * 4),
        ("in_progress 0.05s fail=1, succeeded", ["completed", "completed", "completed", "failed"]),
    ],
)
async def test_lines_have_a_row_for_every_item_however_the_job_ended(
    client: httpx.AsyncClient, script: str, outcomes: list[str]
) -> None:
    job = await ended_job(client, script, items=4)

    coded = await client.get(job["links"]["results"], headers={"Accept": LINES, "Accept-Encoding": "gzip"})

    *rows, end = [orjson.loads(line) for line in coded.text.splitlines()]
    assert sorted(row["outcome"] for row in rows) == sorted(outcomes)
    assert [row["index"] for row in rows] == [*range(4)]
    assert end == {"object": "results.end", "count": 4}
