"""How long a request may take to come."""

import pytest

from running.raw import ask, raw_connection

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nab"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"


@pytest.mark.parametrize("sent", [b"G", GET[:-2], GET[:20]])
async def test_a_head_that_does_not_come_to_its_end_is_refused(quick_port: int, sent: bytes) -> None:
    async with raw_connection(quick_port) as connection:
        await connection.send(sent)
        answer, rest = await connection.answer(), await connection.rest()

    assert (answer.status, answer.code, rest) == (408, "request_timeout", b"")


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
async def test_a_connection_on_which_nothing_comes_is_closed(quick_port: int, sent: bytes) -> None:
    async with raw_connection(quick_port) as connection:
        await connection.send(sent)
        rest = await connection.rest()

    assert rest == b""


async def test_a_second_head_is_bounded_like_the_first(quick_port: int) -> None:
    async with raw_connection(quick_port) as connection:
        await connection.send(GET + GET[:-2])
        first, second = await connection.answer(), await connection.answer()

    assert (first.status, second.status) == (200, 408)


@pytest.mark.parametrize("sent", [POST % b"/", CHUNKED, CHUNKED + b"0\r\nX-Trailer: "])
async def test_a_body_that_does_not_come_is_refused(quick_port: int, sent: bytes) -> None:
    async with raw_connection(quick_port) as connection:
        await connection.send(sent)
        answer, rest = await connection.answer(), await connection.rest()

    assert (answer.status, answer.code, rest) == (408, "request_timeout", b"")
    assert answer.headers["connection"] == "close"


async def test_a_held_request_whose_body_does_not_come_is_refused(quick_port: int) -> None:
    answer = await ask(quick_port, POST % b"/hold")

    assert answer.code == "request_timeout"


async def test_an_open_connection_may_be_idle_between_requests(port: int) -> None:
    async with raw_connection(port) as connection:
        await connection.send(GET)
        first = await connection.answer()
        await connection.send(GET)
        second = await connection.answer()

    assert (first.status, second.status) == (200, 200)
