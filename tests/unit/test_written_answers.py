"""Whole answers as they are written."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from polling_api.api.header_lines import KeptHeaders, headers_of, lines_of
from polling_api.protocol.written import begun, chunk, written

NAMES = st.from_regex(rb"x-[a-z0-9-]{1,12}", fullmatch=True)
VALUES = st.from_regex(rb"[^\x00-\x1f\x7f]{0,20}", fullmatch=True)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=6)


class Written(asyncio.Transport):
    """What is written."""

    def __init__(self) -> None:
        super().__init__()
        self.all = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.all += bytes(data)

    def close(self) -> None:
        """Nothing to close."""


async def by_uvicorn(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes, method: str, *, keep: bool, more: bool = False
) -> bytes:
    transport: Any = Written()
    scope: Any = {"method": method}
    nothing: Any = None
    event: Any = asyncio.Event()
    cycle = RequestResponseCycle(
        scope,
        transport,
        FlowControl(transport),
        nothing,
        nothing,
        access_log=False,
        default_headers=[],
        message_event=event,
        expect_100_continue=False,
        keep_alive=keep,
        on_response=lambda: None,
    )
    await cycle.send({"type": "http.response.start", "status": status, "headers": headers})
    await cycle.send({"type": "http.response.body", "body": body, "more_body": more})
    return transport.all


@given(
    headers=HEADERS,
    outer=HEADERS,
    body=st.binary(max_size=30),
    status=st.sampled_from([200, 202, 204, 304, 404, 429, 503]),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    keep=st.booleans(),
    kept=st.booleans(),
)
def test_they_are_the_bytes_that_uvicorn_writes(
    headers: list[tuple[bytes, bytes]],
    outer: list[tuple[bytes, bytes]],
    body: bytes,
    status: int,
    method: str,
    *,
    keep: bool,
    kept: bool,
) -> None:
    if status in {204, 304}:
        body = b""
    else:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    expected = asyncio.run(by_uvicorn(status, [*headers, *outer], body, method, keep=keep))

    told = KeptHeaders(headers) if kept else headers
    answer = written(status, told, lines_of(outer), body, closes=not keep, to_head=method == "HEAD")

    assert answer == expected


@given(headers=HEADERS, outer=HEADERS, body=st.binary(max_size=300), keep=st.booleans(), kept=st.booleans())
def test_so_is_the_beginning_of_an_answer_whose_end_is_not_known(
    headers: list[tuple[bytes, bytes]], outer: list[tuple[bytes, bytes]], body: bytes, *, keep: bool, kept: bool
) -> None:
    expected = asyncio.run(by_uvicorn(200, [*headers, *outer], body, "GET", keep=keep, more=True))

    told = KeptHeaders(headers) if kept else headers
    beginning = begun(200, told, lines_of(outer), body, closes=not keep)

    assert beginning == expected
    assert not body or beginning.endswith(b"\r\n\r\n" + chunk(body))


@given(headers=st.lists(st.tuples(NAMES, st.binary(max_size=10)), min_size=1, max_size=4))
def test_no_value_begins_another_header(headers: list[tuple[bytes, bytes]]) -> None:
    ends = any(byte in value for _, value in headers for byte in (b"\r", b"\n", b"\0"))

    try:
        lines = lines_of(headers)
    except ValueError:
        assert ends
    else:
        assert not ends
        assert headers_of(lines) == headers


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b", b"\r\n\r\n<html>"])
def test_a_header_that_would_end_its_line_is_an_error(value: bytes) -> None:
    with pytest.raises(ValueError, match="would end its line"):
        written(200, [(b"x-a", value)], b"", b"", closes=False, to_head=False)
    with pytest.raises(ValueError, match="would end its line"):
        KeptHeaders([(b"x-a", value)])


def test_a_length_that_is_not_said_is_added() -> None:
    answer = written(200, [(b"x-a", b"b")], b"", b"abc", closes=False, to_head=False)

    assert answer == b"HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 3\r\n\r\nabc"


def test_another_length_than_the_body_s_is_an_error() -> None:
    with pytest.raises(ValueError, match="longer or shorter"):
        written(200, [(b"content-length", b"2")], b"", b"abc", closes=False, to_head=False)


def test_an_end_that_an_answer_says_itself_is_said_once() -> None:
    answer = written(304, [(b"connection", b"close")], b"", b"", closes=True, to_head=False)

    assert answer.count(b"connection: close") == 1


def test_what_is_made_of_kept_headers_is_not_kept() -> None:
    kept = KeptHeaders([(b"x-a", b"1")])

    assert not isinstance([*kept, (b"x-b", b"2")], KeptHeaders)
