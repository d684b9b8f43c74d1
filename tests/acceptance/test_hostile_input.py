"""Contract: what nobody should send gets its one answer, from a service that goes on as if nothing had been."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from running.asking import asking
from running.jobs import SET, Job, ended_job
from running.raw import RawAnswer, ask, raw_connection
from running.service import Service, running_service

ID = "job_" + "0" * 32
KIB = 1024
# A batch, and the same with a part in it that is not to be taken.
REQUESTS = b'{"requests":[{"custom_id":"a","body":%s}]}'
LINE = b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":%s}\n'
JSON, LINES = b"application/json", b"application/x-ndjson"
# The request line and the fields of a request without a body; its status and its code.
REFUSED: dict[str, tuple[str, list[str], int, str]] = {
    "another's Host": ("GET /health/live", ["Host: evil.example"], 421, "misdirected_request"),
    "another's Host, for a job": (f"GET {SET}/{ID}", ["Host: evil.example:80"], 421, "misdirected_request"),
    "another's absolute target": (
        "GET http://evil.example/health/live",
        ["Host: localhost"],
        421,
        "misdirected_request",
    ),
    "a name that begins like ours": ("GET /health/live", ["Host: localhost.evil.example"], 421, "misdirected_request"),
    "an id in capitals": (f"GET {SET}/{ID.upper()}", [], 404, "job_not_found"),
    "a short id": (f"GET {SET}/job_0", [], 404, "job_not_found"),
    "an id with dots": (f"GET {SET}/..", [], 404, "job_not_found"),
    "dots behind an id": (f"GET {SET}/{ID}/../{ID}", [], 404, "job_not_found"),
    "an id with a slash": (f"GET {SET}/a/b", [], 404, "job_not_found"),
    "an id with an encoded slash": (f"GET {SET}/{ID}%2Fevents", [], 404, "job_not_found"),
    "an id with a percent sign": (f"GET {SET}/%25", [], 404, "job_not_found"),
    "an id with a bad percent sign": (f"GET {SET}/%zz", [], 404, "job_not_found"),
    "an id with NUL": (f"GET {SET}/{ID}%00", [], 404, "job_not_found"),
    "an id with a line break": (f"GET {SET}/{ID}%0A", [], 404, "job_not_found"),
    "an id that is no UTF-8": (f"GET {SET}/%ff%fe", [], 404, "job_not_found"),
    "an id with a slash behind it": (f"GET {SET}/{ID}/", [], 404, "job_not_found"),
    "no id": (f"GET {SET}/", [], 404, "job_not_found"),
    "a bad id, for its events": (f"GET {SET}/.%2e/events", [], 404, "job_not_found"),
    "a bad id, for its results": (f"GET {SET}/%20/results", [], 404, "job_not_found"),
    "a bad id, for its history": (f"GET {SET}/%20/history", [], 404, "job_not_found"),
    "a bad id, to be cancelled": (f"POST {SET}/%20/cancel", [], 404, "job_not_found"),
    "a bad id, to be deleted": (f"DELETE {SET}/%20", [], 404, "job_not_found"),
    "two slashes": (f"GET /{SET}/{ID}", [], 404, "not_found"),
    "HTML alone": (f"GET {SET}/{ID}", ["Accept: text/html"], 406, "not_acceptable"),
    "no JSON": (f"GET {SET}/{ID}", ["Accept: */*, application/json;q=0"], 406, "not_acceptable"),
    "problems alone": (f"GET {SET}/{ID}", ["Accept: application/problem+json"], 406, "not_acceptable"),
    "JSON for events": (f"GET {SET}/{ID}/events", ["Accept: application/json"], 406, "not_acceptable"),
    "XML for results": (f"GET {SET}/{ID}/results", ["Accept: application/xml"], 406, "not_acceptable"),
    "HTML for a submit": (f"POST {SET}", ["Accept: text/html"], 406, "not_acceptable"),
    "no media type": (f"POST {SET}", [], 415, "unsupported_media_type"),
    "text": (f"POST {SET}", ["Content-Type: text/plain"], 415, "unsupported_media_type"),
    "gzip": (
        f"POST {SET}",
        ["Content-Type: application/json", "Content-Encoding: gzip"],
        415,
        "unsupported_media_type",
    ),
    "another coding": (
        f"POST {SET}",
        ["Content-Type: application/x-ndjson", "Content-Encoding: identity, br"],
        415,
        "unsupported_media_type",
    ),
    "a parameter twice": (f"GET {SET}/{ID}/results?limit=1&limit=2", [], 422, "invalid_request"),
    "a wait twice": (f"GET {SET}/{ID}?wait=1&wait=2", [], 422, "invalid_request"),
    "a wait of 5,000 digits": (f"GET {SET}/{ID}?wait={'9' * 5000}", [], 422, "invalid_request"),
    "a limit of 5,000 digits": (f"GET {SET}/{ID}/results?limit={'9' * 5000}", [], 422, "invalid_request"),
    "many parameters": (f"GET {SET}/{ID}?{'a&' * 1000}", [], 400, "bad_request"),
    "two Hosts": (f"GET {SET}/{ID}", ["Host: localhost", "Host: localhost"], 400, "bad_request"),
    "many header fields": (f"GET {SET}/{ID}", [f"X-{n}: {'x' * 100}" for n in range(400)], 431, "headers_too_large"),
    "a length and chunks": (
        f"POST {SET}",
        ["Content-Length: 4", "Transfer-Encoding: chunked"],
        400,
        "bad_request",
    ),
    "chunks that are not last": (f"POST {SET}", ["Transfer-Encoding: chunked, gzip"], 400, "bad_request"),
    "another transfer coding": (f"POST {SET}", ["Transfer-Encoding: gzip, chunked"], 501, "not_implemented"),
    "a method that nobody knows": (f"BREW {SET}", [], 501, "not_implemented"),
    "many cookies": (f"GET {SET}/{ID}", [f"Cookie: {'x' * 33 * KIB}"], 431, "headers_too_large"),
    "a long address": (f"GET {SET}/{'x' * 17 * KIB}", [], 414, "target_too_long"),
}
# A body, its media type, and the status and code that it gets.
BODIES: dict[str, tuple[bytes, bytes, int, str]] = {
    "deep nesting": (REQUESTS % (b'{"a":' * 101 + b"1" + b"}" * 101), JSON, 422, "nested_too_deeply"),
    "nesting beyond any parser": (REQUESTS % (b"[" * 100_000), JSON, 422, "nested_too_deeply"),
    "nesting in a line": (LINE % (b'{"a":' * 101 + b"1" + b"}" * 101), LINES, 422, "nested_too_deeply"),
    "NUL": (REQUESTS % b'{"a":"\\u0000"}', JSON, 422, "null_character"),
    "NUL in a line": (LINE % b'{"a":"\\u0000"}', LINES, 422, "null_character"),
    "a lone surrogate": (REQUESTS % b'{"a":"\\ud800"}', JSON, 400, "malformed_json"),
    "NaN": (REQUESTS % b'{"a":NaN}', JSON, 400, "malformed_json"),
    "Infinity in a line": (LINE % b'{"a":-Infinity}', LINES, 400, "malformed_json"),
    "UTF-16": ((REQUESTS % b"{}").decode().encode("utf-16"), JSON, 400, "malformed_json"),
    "a byte order mark": (b"\xef\xbb\xbf" + REQUESTS % b"{}", JSON, 400, "malformed_json"),
    "Latin-1": (REQUESTS % b'{"a":"\xe4"}', JSON, 400, "malformed_json"),
    "a body cut short": ((REQUESTS % b"{}")[:-1], JSON, 400, "malformed_json"),
    "nothing": (b"", JSON, 400, "malformed_json"),
    "no lines": (b"", LINES, 422, "empty_batch"),
    "gzip that is not named": (b"\x1f\x8b\x08\x00" + b"\0" * 20, JSON, 400, "malformed_json"),
    "a line over 1 MB": (LINE % (b'{"a":"' + b"x" * KIB * KIB + b'"}'), LINES, 413, "body_too_large"),
    "JSON over 4 MB": (REQUESTS % (b'{"a":"' + b"x" * 4 * KIB * KIB + b'"}'), JSON, 413, "body_too_large"),
}


@pytest.fixture(scope="module")
async def service(
    postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """One that waits half a second for a request, not ten."""
    impatient = {"head_seconds": "0.5", "body_seconds": "0.5"}
    folder = tmp_path_factory.mktemp("hostile")
    async with running_service(postgres_url, redis_url, folder=folder, settings=impatient) as running:
        yield running


@pytest.fixture(scope="module")
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(service.url) as client:
        yield client


@pytest.fixture(scope="module")
async def ended(client: httpx.AsyncClient) -> Job:
    """A job that has succeeded."""
    return await ended_job(client)


@pytest.fixture
def port(service: Service) -> int:
    """The worker's."""
    port = service.workers[0].port
    assert port is not None
    return port


def submit(body: bytes, media_type: bytes, length: int | None = None) -> bytes:
    """A submit as it goes over the wire."""
    fields = [b"Host: localhost", b"Content-Type: " + media_type, b"Content-Length: %d" % (length or len(body))]
    return b"\r\n".join([f"POST {SET} HTTP/1.1".encode(), *fields, b"", body])


async def stored(client: httpx.AsyncClient) -> str:
    """How many submits were taken, as the metrics tell it."""
    figures = (await client.get("/metrics")).text.splitlines()
    return "".join(line for line in figures if 'outcome="202"' in line and "_count" in line)


def assert_is_problem(answer: RawAnswer, status: int, code: str) -> None:
    """It is a problem document of ours, with all that the contract wants on it."""
    assert (answer.status, answer.code) == (status, code)
    assert answer.json["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-correlation-id"] == answer.json["correlation_id"]
    assert "location" not in answer.headers


@pytest.mark.parametrize("case", REFUSED)
async def test_a_hostile_request_gets_its_answer(port: int, case: str) -> None:
    line, fields, status, code = REFUSED[case]
    named = [] if any(field.startswith("Host:") for field in fields) else ["Host: localhost"]

    answer = await ask(port, "\r\n".join([f"{line} HTTP/1.1", *named, *fields, "", ""]).encode())

    assert_is_problem(answer, status, code)


@pytest.mark.parametrize("case", BODIES)
async def test_a_hostile_body_gets_its_answer_and_stores_nothing(
    client: httpx.AsyncClient, port: int, case: str
) -> None:
    body, media_type, status, code = BODIES[case]
    before = await stored(client)

    answer = await ask(port, submit(body, media_type))

    assert_is_problem(answer, status, code)
    assert await stored(client) == before


@pytest.mark.parametrize("number", [b"9" * 5000, b"1e400", b"-0.0", b"1" + b"0" * 400])
async def test_a_number_of_any_size_is_passed_on(port: int, number: bytes) -> None:
    answer = await ask(port, submit(REQUESTS % (b'{"n":%s}' % number), JSON))

    assert answer.status == 202


async def test_a_body_that_stops_half_way_is_told_and_stores_nothing(client: httpx.AsyncClient, port: int) -> None:
    before = await stored(client)

    async with raw_connection(port) as connection:
        await connection.send(submit(REQUESTS[:20], JSON, length=200))
        connection.finish()
        answer = await connection.answer()

    assert_is_problem(answer, 400, "body_cut")
    assert await stored(client) == before


async def test_a_body_that_comes_too_slowly_is_refused(port: int) -> None:
    answer = await ask(port, submit(REQUESTS[:20], JSON, length=200))

    assert_is_problem(answer, 408, "request_timeout")


async def test_a_head_that_comes_too_slowly_is_refused(port: int) -> None:
    answer = await ask(port, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")

    assert_is_problem(answer, 408, "request_timeout")


async def test_a_submit_that_is_refused_by_its_head_can_be_read_while_the_body_is_sent(port: int) -> None:
    size = 8 * KIB * KIB

    async with raw_connection(port) as connection:
        await connection.send(submit(b"", b"text/plain", length=size + 1))
        await connection.send(b"x" * size)
        answer, rest = await connection.answer(), await connection.rest()

    assert_is_problem(answer, 415, "unsupported_media_type")
    assert (answer.headers["connection"], rest) == ("close", b"")


async def test_chunks_that_are_none_are_told_and_store_nothing(client: httpx.AsyncClient, port: int) -> None:
    before = await stored(client)
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = REQUESTS % b"{}"

    answers = [
        await ask(port, head % (SET.encode(), JSON) + chunks)
        for chunks in (b"0x%x\r\n%s\r\n0\r\n\r\n" % (len(whole), whole), b"-1\r\n" + whole, b"1\r\n" + whole)
    ]

    for answer in answers:
        assert_is_problem(answer, 400, "bad_request")
    assert await stored(client) == before


async def test_a_hundred_slow_clients_keep_nobody_else_waiting(client: httpx.AsyncClient, port: int) -> None:
    async def crawl() -> RawAnswer:
        return await ask(port, b"GET / HTTP/1.1\r\nX-Slow: ")

    slow = [asyncio.create_task(crawl()) for _ in range(100)]
    meanwhile = await client.get("/health/live", timeout=2)
    answers = await asyncio.gather(*slow)

    assert meanwhile.status_code == 200
    assert {answer.status for answer in answers} == {408}


async def test_options_may_ask_about_the_whole_service(port: int) -> None:
    answer = await ask(port, b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert answer.status == 204
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("path", ["", "/events", "/results", "/history"])
async def test_head_says_what_get_would(client: httpx.AsyncClient, port: int, ended: Job, path: str) -> None:
    address = ended["links"]["self"] + path

    head = await ask(port, f"HEAD {address} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    whole = await client.get(address)

    assert (head.status, whole.status_code) == (200, 200)
    assert head.headers["content-type"] == whole.headers["content-type"]
    assert head.headers["cache-control"].partition("=")[0] == whole.headers["cache-control"].partition("=")[0]


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics", "/problems", "/openapi.json", "/docs"])
async def test_head_is_known_wherever_get_is(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.head(path)

    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "accept", ["application/json", "*/*", "application/*;q=0.1, text/html", "text/html, */*;q=0.8"]
)
async def test_json_is_given_to_those_who_do_not_exclude_it(client: httpx.AsyncClient, ended: Job, accept: str) -> None:
    status, results = [
        await client.get(ended["links"][link], headers={"Accept": accept}) for link in ("self", "results")
    ]

    assert (status.status_code, results.status_code) == (200, 200)


async def test_parameters_that_nobody_knows_are_ignored(client: httpx.AsyncClient, ended: Job) -> None:
    answer = await client.get(ended["links"]["self"], params={"utm": ["a", "b"], "x": "\0"})

    assert answer.status_code == 200


async def test_an_id_may_be_percent_encoded(client: httpx.AsyncClient, port: int, ended: Job) -> None:
    encoded = ended["links"]["self"].replace("job_", "%6Aob%5F")

    answer = await ask(port, f"GET {encoded} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    assert answer.json == (await client.get(ended["links"]["self"])).json()
