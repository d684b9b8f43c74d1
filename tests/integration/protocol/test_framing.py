"""What a request's head may be (RFC 9112), byte for byte."""

import pytest

from running.raw import ask, raw_connection

KIB = 1024
TOO_LARGE = b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 33 * KIB
MANY = b"".join(b"X-%d: y\r\n" % number for number in range(4_000))


def get(*fields: bytes, target: bytes = b"/", version: bytes = b"1.1") -> bytes:
    """A `GET` without a `Host`."""
    return b"\r\n".join([b"GET %s HTTP/%s" % (target, version), *fields, b"", b""])


def post(*fields: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A `POST`, with a `Host`."""
    return b"\r\n".join([b"POST / HTTP/%s" % version, b"Host: a", *fields, b"", body])


CHUNKED = b"Transfer-Encoding: chunked"

REFUSED: dict[str, tuple[bytes, int, str]] = {
    "no Host": (get(), 400, "bad_request"),
    "two Hosts": (get(b"Host: a", b"Host: b"), 400, "bad_request"),
    "the same Host twice": (get(b"Host: a", b"Host: a"), 400, "bad_request"),
    "an empty Host": (get(b"Host:"), 400, "bad_request"),
    "a Host with a path": (get(b"Host: a/b"), 400, "bad_request"),
    "a Host with a user": (get(b"Host: u@a"), 400, "bad_request"),
    "two names in a Host": (get(b"Host: a, b"), 400, "bad_request"),
    "a Host with a bad port": (get(b"Host: a:b"), 400, "bad_request"),
    "two Hosts in HTTP/1.0": (get(b"Host: a", b"Host: b", version=b"1.0"), 400, "bad_request"),
    "length and coding": (post(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"), 400, "bad_request"),
    "coding and length": (post(CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n"), 400, "bad_request"),
    "two lengths": (post(b"Content-Length: 1", b"Content-Length: 2", body=b"ab"), 400, "bad_request"),
    "the same length twice": (post(b"Content-Length: 1", b"Content-Length: 1", body=b"a"), 400, "bad_request"),
    "a list of lengths": (post(b"Content-Length: 1, 1", body=b"a"), 400, "bad_request"),
    "a signed length": (post(b"Content-Length: +1", body=b"a"), 400, "bad_request"),
    "a negative length": (post(b"Content-Length: -1", body=b"a"), 400, "bad_request"),
    "a length beyond 64 bits": (post(b"Content-Length: " + b"9" * 30), 400, "bad_request"),
    "chunked not last": (post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"), 400, "bad_request"),
    "an unknown coding": (post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), 400, "bad_request"),
    "identity": (post(b"Transfer-Encoding: identity", body=b"0\r\n\r\n"), 400, "bad_request"),
    "chunked twice": (post(CHUNKED, CHUNKED, body=b"0\r\n\r\n"), 400, "bad_request"),
    "gzip and chunked": (post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 501, "not_implemented"),
    "chunked in HTTP/1.0": (post(CHUNKED, body=b"0\r\n\r\n", version=b"1.0"), 400, "bad_request"),
    "a chunk size that is none": (post(CHUNKED, body=b"xyz\r\n\r\n"), 400, "bad_request"),
    "a chunk size with 0x": (post(CHUNKED, body=b"0x1\r\na\r\n0\r\n\r\n"), 400, "bad_request"),
    "a negative chunk size": (post(CHUNKED, body=b"-1\r\na\r\n0\r\n\r\n"), 400, "bad_request"),
    "a chunk size beyond 64 bits": (post(CHUNKED, body=b"f" * 20 + b"\r\na\r\n0\r\n\r\n"), 400, "bad_request"),
    "a chunk longer than its size": (post(CHUNKED, body=b"1\r\nab\r\n0\r\n\r\n"), 400, "bad_request"),
    "a chunk size ended by LF": (post(CHUNKED, body=b"1\na\r\n0\r\n\r\n"), 400, "bad_request"),
    "a folded line": (get(b"Host: a", b"X-A: b", b" c"), 400, "bad_request"),
    "a folded first line": (get(b" Host: a"), 400, "bad_request"),
    "a space before the colon": (get(b"Host : a"), 400, "bad_request"),
    "a field without a name": (get(b"Host: a", b": b"), 400, "bad_request"),
    "NUL in a field": (get(b"Host: a", b"X-A: b\0c"), 400, "bad_request"),
    "CR in a field": (get(b"Host: a", b"X-A: b\rc"), 400, "bad_request"),
    "lines ended by LF": (b"GET / HTTP/1.1\nHost: a\n\n", 400, "bad_request"),
    "a target with a space": (get(b"Host: a", target=b"/a b"), 400, "bad_request"),
    "a target with a fragment": (get(b"Host: a", target=b"/a#b"), 400, "bad_request"),
    "a target in UTF-8": (get(b"Host: a", target="/ä".encode()), 400, "bad_request"),
    "a target without a slash": (get(b"Host: a", target=b"a"), 400, "bad_request"),
    "a target of another scheme": (get(b"Host: a", target=b"ftp://a/"), 400, "bad_request"),
    "a target with a user": (get(b"Host: a", target=b"http://u@a/"), 400, "bad_request"),
    "a target without a host": (get(b"Host: a", target=b"http:///a"), 400, "bad_request"),
    "an asterisk for GET": (get(b"Host: a", target=b"*"), 400, "bad_request"),
    "a long target": (get(b"Host: a", target=b"/" + b"x" * 17 * KIB), 414, "target_too_long"),
    "a long field": (TOO_LARGE + b"\r\n\r\n", 431, "headers_too_large"),
    "a long field without an end": (TOO_LARGE, 431, "headers_too_large"),
    "many fields": (get(b"Host: a", MANY), 431, "headers_too_large"),
    "another method": (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "not_implemented"),
    "a method in lower case": (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "not_implemented"),
    "CONNECT": (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501, "not_implemented"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version_not_supported"),
    "HTTP/2.0 in a line": (get(b"Host: a", version=b"2.0"), 505, "version_not_supported"),
    "HTTP/1.2": (get(b"Host: a", version=b"1.2"), 505, "version_not_supported"),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505, "version_not_supported"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "bad_request"),
    "noise": (b"\xff" * 100, 400, "bad_request"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_trusted_is_refused_and_the_connection_closed(port: int, case: str) -> None:
    request, status, code = REFUSED[case]

    async with raw_connection(port) as connection:
        await connection.send(request)
        answer = await connection.answer()
        rest = await connection.rest()

    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-correlation-id"] == answer.json["correlation_id"]
    assert rest == b""


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refused_head_reaches_no_endpoint(port: int, case: str) -> None:
    request, _, _ = REFUSED[case]

    await ask(port, request)
    live = await ask(port, get(b"Host: a"))

    assert live.status == 200


@pytest.mark.parametrize("host", [b"a", b"A.b", b"a:80", b"127.0.0.1", b"[::1]:8000", b"a:"])
async def test_a_host_may_have_a_port(port: int, host: bytes) -> None:
    answer = await ask(port, get(b"Host: " + host))

    assert answer.status == 200


async def test_http_1_0_needs_no_host_and_closes(port: int) -> None:
    async with raw_connection(port) as connection:
        await connection.send(get(version=b"1.0"))
        answer, rest = await connection.answer(), await connection.rest()

    assert (answer.status, answer.json["http_version"]) == (200, "1.0")
    assert (answer.headers["connection"], rest) == ("close", b"")


async def test_the_host_of_an_absolute_target_counts_more_than_the_field(port: int) -> None:
    answer = await ask(port, get(b"Host: other", target=b"http://named:80/path?q=1"))

    assert (answer.json["path"], answer.json["query"]) == ("/path", "q=1")
    assert answer.json["headers"] == [["host", "named:80"]]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://a", "/", ""),
        (b"http://a?q", "/", "q"),
        (b"/a?b?c", "/a", "b?c"),
        (b"//a", "//a", ""),
        (b"/%61%62", "/ab", ""),
        (b"/a%2Fb", "/a%2Fb", ""),
        (b"/a%2fb%20", "/a%2Fb ", ""),
        (b"/%zz%", "/%zz%", ""),
        (b"/../a", "/../a", ""),
    ],
)
async def test_a_target_is_read_without_moving_its_borders(port: int, target: bytes, path: str, query: str) -> None:
    answer = await ask(port, get(b"Host: a", target=target))

    assert (answer.json["path"], answer.json["query"]) == (path, query)


async def test_a_head_of_nearly_32_kib_is_taken(port: int) -> None:
    answer = await ask(port, get(b"Host: a", b"X-Long: " + b"x" * 31 * KIB))

    assert answer.status == 200


async def test_fields_behind_a_body_do_not_pass_for_the_head_s(port: int) -> None:
    answer = await ask(port, post(CHUNKED, body=b"1\r\na\r\n0\r\nHost: evil\r\nAuthorization: Bearer x\r\n\r\n"))

    assert answer.json["body"] == "a"
    assert [name for name, _ in answer.json["headers"]] == ["host", "transfer-encoding"]


async def test_chunk_extensions_are_ignored(port: int) -> None:
    answer = await ask(port, post(CHUNKED, body=b"1;a=b\r\na\r\n0;c\r\n\r\n"))

    assert answer.json["body"] == "a"


@pytest.mark.parametrize(
    "around",
    [b"0\r\nX-Trailer: " + b"x" * 100 * KIB, b"1;" + b"x" * 100 * KIB],
    ids=["a trailer", "an extension"],
)
async def test_there_is_a_bound_on_what_stands_around_chunks(port: int, around: bytes) -> None:
    answer = await ask(port, post(CHUNKED, body=around))

    assert (answer.status, answer.code) == (400, "bad_request")
