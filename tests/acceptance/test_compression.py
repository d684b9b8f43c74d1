"""Contract: gzip and zstd for bodies over 1 KB; never a stream of events, nor an answer that may hold a secret."""

import asyncio
import gzip
import zlib

import httpx
import orjson
import pytest

from polling_api.coding import zstd
from running.jobs import QUIET, SET, Job, batch, ended_job, submit, until_status
from running.raw import RawAnswer, ask, raw_connection
from running.service import Service

LINES = "application/x-ndjson"
LARGE = {f"note-{number}": f"what the submitter has to say, part {number} " * 5 for number in range(10)}
CODINGS = pytest.mark.parametrize("coding", ["gzip", "zstd"])


@pytest.fixture(scope="module")
async def large(client: httpx.AsyncClient) -> Job:
    """A job whose state has over 1 KB, in progress, which does not change."""
    job = await submit(client, QUIET, metadata=LARGE)
    return (await until_status(client, job, "in_progress")).json()


@pytest.fixture(scope="module")
async def many(client: httpx.AsyncClient) -> Job:
    """A finished job of 700 items: two batches of a download."""
    return await ended_job(client, items=700)


@pytest.fixture(scope="module")
def port(service: Service) -> int:
    return httpx.URL(service.url).port or 0


async def get(port: int, path: str, *fields: str, method: str = "GET") -> RawAnswer:
    """What comes over the wire; `fields` are header fields besides `Host`."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close", *fields]
    return await ask(port, "\r\n".join([*lines, "", ""]).encode())


def read(answer: RawAnswer) -> bytes:
    """The body, decoded."""
    match answer.headers.get("content-encoding"):
        case "gzip":
            return gzip.decompress(answer.body)
        case "zstd":
            return zstd.decompress(answer.body)
        case _:
            return answer.body


@CODINGS
async def test_a_state_over_a_kilobyte_is_compressed_and_keeps_its_tag(port: int, large: Job, coding: str) -> None:
    plain = await get(port, large["links"]["self"])

    coded = await get(port, large["links"]["self"], f"Accept-Encoding: {coding}")

    assert (coded.headers["content-encoding"], read(coded)) == (coding, plain.body)
    assert len(coded.body) * 2 < len(plain.body)
    assert coded.headers["etag"] == plain.headers["etag"]
    assert "Accept-Encoding" in coded.headers["vary"]


async def test_a_tag_of_one_coding_is_current_in_every_other(port: int, large: Job) -> None:
    coded = await get(port, large["links"]["self"], "Accept-Encoding: gzip")
    seen = f"If-None-Match: {coded.headers['etag']}"

    answers = [
        await get(port, large["links"]["self"], seen, *more) for more in ([], ["Accept-Encoding: zstd, identity;q=0"])
    ]

    assert [answer.status for answer in answers] == [304, 304]
    assert all("content-encoding" not in answer.headers for answer in answers)


async def test_a_wait_is_answered_in_the_coding_that_it_asked_for(port: int, client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 0.5s, succeeded", metadata=LARGE)

    answer = await get(port, f"{job['links']['self']}?wait=20&until=terminal", "Accept-Encoding: gzip")

    assert answer.headers["content-encoding"] == "gzip"
    assert orjson.loads(read(answer))["terminal"]


async def test_a_short_state_goes_out_as_it_is(port: int, quiet: Job) -> None:
    answer = await get(port, quiet["links"]["self"], "Accept-Encoding: gzip, zstd")

    assert "content-encoding" not in answer.headers
    assert answer.json["id"] == quiet["id"]


@pytest.mark.parametrize("value", ["identity;q=0", "*;q=0", "br, identity;q=0"])
@pytest.mark.parametrize("path", ["", "/events", "/history"])
async def test_who_takes_nothing_that_can_be_sent_is_refused(port: int, quiet: Job, path: str, value: str) -> None:
    answer = await get(port, quiet["links"]["self"] + path, f"Accept-Encoding: {value}")

    assert (answer.status, answer.code) == (406, "not_acceptable")


async def test_who_takes_no_identity_gets_even_a_short_state_compressed(port: int, quiet: Job) -> None:
    answer = await get(port, quiet["links"]["self"], "Accept-Encoding: gzip, identity;q=0")

    assert answer.headers["content-encoding"] == "gzip"
    assert orjson.loads(read(answer))["id"] == quiet["id"]


@CODINGS
async def test_lists_pages_and_documents_are_compressed(port: int, many: Job, coding: str) -> None:
    for path in (f"{many['links']['results']}?limit=50", "/problems", "/openapi.json"):
        plain, coded = await get(port, path), await get(port, path, f"Accept-Encoding: {coding}")

        assert (coded.headers["content-encoding"], read(coded)) == (coding, plain.body)
        assert all("Accept-Encoding" in answer.headers["vary"] for answer in (plain, coded))


async def test_a_batch_get_is_compressed(client: httpx.AsyncClient, large: Job) -> None:
    answer = await client.post(f"{SET}/batch-get", json={"jobs": [{"id": large["id"]}]})

    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json()["data"][0]["job"] == large


async def test_a_problem_over_a_kilobyte_is_compressed(client: httpx.AsyncClient) -> None:
    fields = [f"speed-{number}" for number in range(60)]

    answer = await client.post(f"{SET}/batch-get", json={"jobs": [{"id": "job_" + "0" * 32}], "fields": fields})

    assert (answer.status_code, answer.headers["content-encoding"]) == (422, "gzip")
    assert len(answer.json()["errors"]) == 60


async def test_what_a_submit_or_a_cancel_answers_is_not_compressed(client: httpx.AsyncClient) -> None:
    made = await client.post(SET, json=batch(script=QUIET, metadata=LARGE))
    cancelled = await client.post(made.json()["links"]["cancel"])

    assert [answer.status_code for answer in (made, cancelled)] == [202, 202]
    assert all(len(answer.content) > 1024 for answer in (made, cancelled))
    assert all("content-encoding" not in answer.headers for answer in (made, cancelled))


async def test_a_submit_that_takes_only_codings_is_refused_before_anything_is_stored(client: httpx.AsyncClient) -> None:
    answer = await client.post(SET, json=batch(), headers={"Accept-Encoding": "gzip, identity;q=0"})

    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


async def test_a_stream_of_events_is_never_compressed(client: httpx.AsyncClient, large: Job) -> None:
    async with client.stream("GET", large["links"]["events"], headers={"Accept-Encoding": "gzip, zstd"}) as stream:
        first = await anext(stream.aiter_raw())

    assert "content-encoding" not in stream.headers
    assert b"event: job" in first


@CODINGS
async def test_head_tells_what_get_does(port: int, large: Job, many: Job, coding: str) -> None:
    accept = f"Accept-Encoding: {coding}"
    for path, *more in (
        [large["links"]["self"]],
        [f"{many['links']['results']}?limit=50"],
        [many["links"]["results"], f"Accept: {LINES}"],
    ):
        got, told = await get(port, path, accept, *more), await get(port, path, accept, *more, method="HEAD")

        of_this_request = {"date", "x-correlation-id", "x-ratelimit-remaining", "x-ratelimit-reset"}
        unknown = {"transfer-encoding"}  # of what is made while it is sent
        assert {name: told.headers[name] for name in told.headers.keys() - of_this_request} == {
            name: got.headers[name] for name in got.headers.keys() - of_this_request - unknown
        }
        assert told.headers["content-encoding"] == coding


@pytest.mark.parametrize("accept", ["application/json", LINES])
async def test_results_have_a_strong_tag_for_each_coding(port: int, many: Job, accept: str) -> None:
    path, fields = many["links"]["results"], [f"Accept: {accept}"]
    codings = {"identity", "gzip", "zstd"}

    tags = {
        coding: (await get(port, path, *fields, f"Accept-Encoding: {coding}", method="HEAD")).headers["etag"]
        for coding in codings
    }

    assert len({*tags.values()}) == 3
    assert not any(tag.startswith("W/") for tag in tags.values())
    for coding in codings:
        for other, tag in tags.items():
            seen = await get(port, path, *fields, f"Accept-Encoding: {coding}", f"If-None-Match: {tag}")
            assert seen.status == (304 if other == coding else 200)


async def test_if_match_compares_strongly(port: int, many: Job) -> None:
    path = many["links"]["results"]
    plain, coded = [
        (await get(port, path, f"Accept-Encoding: {coding}", method="HEAD")).headers["etag"]
        for coding in ("identity", "gzip")
    ]

    answers = [
        await get(port, path, "Accept-Encoding: gzip", f"If-Match: {tags}")
        for tags in (coded, f'"x", {coded}', "*", f"W/{coded}", plain, '"x"', "")
    ]

    assert [answer.status for answer in answers] == [200] * 3 + [412] * 4
    assert {answer.code for answer in answers[3:]} == {"precondition_failed"}


async def test_a_refusal_of_a_hot_read_comes_in_a_coding_too(port: int) -> None:
    answer = await get(port, f"{SET}/job_{'0' * 32}", "Accept-Encoding: gzip, identity;q=0")

    assert (answer.status, answer.headers["content-encoding"]) == (404, "gzip")
    assert orjson.loads(read(answer))["code"] == "job_not_found"


async def test_a_range_is_not_served_whatever_its_condition(port: int, many: Job) -> None:
    path, accept = many["links"]["results"], "Accept-Encoding: gzip"
    tag = (await get(port, path, accept)).headers["etag"]

    answers = [
        await get(port, path, accept, "Range: bytes=0-9", *more)
        for more in ([], [f"If-Range: {tag}"], ['If-Range: "x"'])
    ]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert all(orjson.loads(read(answer))["data"] for answer in answers)


@CODINGS
async def test_lines_are_compressed_with_their_end_inside(port: int, many: Job, coding: str) -> None:
    plain = await get(port, many["links"]["results"], f"Accept: {LINES}")

    coded = await get(port, many["links"]["results"], f"Accept: {LINES}", f"Accept-Encoding: {coding}")

    assert coded.headers["content-encoding"] == coding
    assert read(coded) == plain.body
    assert orjson.loads(read(coded).splitlines()[-1]) == {"object": "results.end", "count": 700}
    assert len(coded.body) * 5 < len(plain.body)


async def test_each_batch_of_lines_can_be_read_when_it_has_come(port: int, many: Job) -> None:
    coded = (await get(port, many["links"]["results"], f"Accept: {LINES}", "Accept-Encoding: gzip")).body

    flushes = [at for at in range(len(coded)) if coded[at : at + 4] == b"\x00\x00\xff\xff"]
    parts = [zlib.decompressobj(31).decompress(coded[: at + 4]) for at in flushes]

    assert len(parts) >= 3
    assert all(part.endswith(b"\n") for part in parts)


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "zstd", "deflate", "br"])
@pytest.mark.parametrize("path", [SET, f"{SET}/batch-get"])
async def test_a_compressed_request_is_refused_before_it_has_come(port: int, path: str, coding: str) -> None:
    head = [
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        f"Content-Encoding: {coding}",
        "Content-Length: 100000000",
    ]
    async with raw_connection(port) as connection:
        await connection.send("\r\n".join([*head, "", ""]).encode() + gzip.compress(b"{" * 1000))
        answer = await connection.answer()

    assert (answer.status, answer.code) == (415, "unsupported_media_type")
    assert answer.headers["accept-encoding"] == "identity"


async def test_readers_of_many_codings_at_once_each_get_their_own(port: int, large: Job) -> None:
    codings = ["gzip", "zstd", "identity"] * 10

    answers = await asyncio.gather(
        *(get(port, large["links"]["self"], f"Accept-Encoding: {coding}") for coding in codings)
    )

    assert [answer.headers.get("content-encoding", "identity") for answer in answers] == codings
    assert {orjson.loads(read(answer))["id"] for answer in answers} == {large["id"]}
