"""What happens on one connection: order, ends, and requests for other protocols."""

import asyncio

import pytest
from tests.integration.protocol.conftest import PATIENT, Echo, serving

from running.raw import ask, raw_connection

GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
WITHIN = 20.0  # seconds; each of these happens at once


async def test_pipelined_requests_are_answered_in_their_order(port: int) -> None:
    async with raw_connection(port) as connection:
        await connection.send(GET % b"/1" + POST % b"/2" + GET % b"/3")
        answers = [await connection.answer() for _ in range(3)]

    assert [(answer.json["path"], answer.json["body"]) for answer in answers] == [("/1", ""), ("/2", "abc"), ("/3", "")]


async def test_a_request_may_come_byte_by_byte(port: int) -> None:
    async with raw_connection(port) as connection:
        for number in range(len(POST % b"/x")):
            await connection.send((POST % b"/x")[number : number + 1])
        answer = await connection.answer()

    assert answer.json["body"] == "abc"


async def test_what_cannot_be_read_is_refused_behind_the_answers_before_it(port: int, echo: Echo) -> None:
    async with raw_connection(port) as connection:
        await connection.send(GET % b"/release" + b"noise\r\n\r\n")
        await asyncio.wait_for(echo.held.wait(), WITHIN)
        echo.released.set()
        first, second, rest = await connection.answer(), await connection.answer(), await connection.rest()

    assert (first.status, second.status, second.code, rest) == (200, 400, "bad_request", b"")


async def test_there_is_a_bound_on_pipelined_requests(port: int, echo: Echo) -> None:
    async with raw_connection(port) as connection:
        await connection.send(GET % b"/release" + GET % b"/x" * 200)
        await asyncio.wait_for(echo.held.wait(), WITHIN)
        echo.released.set()
        answers = [await connection.answer() for _ in range(130)]
        rest = await connection.rest()

    assert [answer.status for answer in answers] == [200] * 129 + [400]
    assert rest == b""
    assert len(echo.asked) == 129


async def test_a_held_request_ends_with_its_client_although_others_wait_behind_it(port: int, echo: Echo) -> None:
    async with raw_connection(port) as connection:
        await connection.send(GET % b"/hold" + GET % b"/x")
        await asyncio.wait_for(echo.held.wait(), WITHIN)
        connection.reset()
        await asyncio.wait_for(echo.gone.wait(), WITHIN)

    assert echo.asked == ["/hold"]


async def test_a_held_request_ends_when_its_client_closes_its_side(port: int, echo: Echo) -> None:
    async with raw_connection(port) as connection:
        await connection.send(GET % b"/hold")
        await asyncio.wait_for(echo.held.wait(), WITHIN)
        connection.finish()
        rest = await connection.rest()

    assert rest == b""
    assert echo.gone.is_set()


async def test_a_client_that_closes_its_side_still_gets_its_answers(port: int) -> None:
    async with raw_connection(port) as connection:
        await connection.send(GET % b"/1" + POST % b"/2")
        connection.finish()
        first, second, rest = await connection.answer(), await connection.answer(), await connection.rest()

    assert (first.json["path"], second.json["body"], rest) == ("/1", "abc", b"")


async def test_a_body_that_stops_half_way_is_told(port: int) -> None:
    async with raw_connection(port) as connection:
        await connection.send((POST % b"/x")[:-1])
        connection.finish()
        answer, rest = await connection.answer(), await connection.rest()

    assert (answer.status, answer.code, rest) == (400, "body_cut", b"")


async def test_noise_from_a_client_that_closes_its_side_is_told(port: int) -> None:
    async with raw_connection(port) as connection:
        await connection.send(b"noise\r\n\r\n")
        connection.finish()
        answer = await connection.answer()

    assert answer.code == "bad_request"


async def test_an_answer_before_the_body_closes_and_can_be_read_by_a_client_that_still_sends(port: int) -> None:
    async with raw_connection(port) as connection:
        await connection.send(b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n")
        for _ in range(40):
            await connection.send(b"x" * 200_000)
        answer, rest = await connection.answer(), await connection.rest()

    assert (answer.status, answer.json["path"]) == (200, "/unread")
    assert (answer.headers["connection"], rest) == ("close", b"")


async def test_a_body_that_came_with_its_head_leaves_the_connection_open(port: int) -> None:
    async with raw_connection(port) as connection:
        await connection.send(POST % b"/unread")
        first = await connection.answer()
        await connection.send(GET % b"/next")
        second = await connection.answer()

    assert "connection" not in first.headers
    assert second.json["path"] == "/next"


async def test_a_body_is_asked_for_only_where_it_is_read(port: int) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"

    async with raw_connection(port) as connection:
        await connection.send(head % b"/read")
        asked = await connection.answer()
        await connection.send(b"abc")
        read = await connection.answer()
    unread = await ask(port, head % b"/unread")

    assert (asked.status, read.json["body"]) == (100, "abc")
    assert (unread.status, unread.headers["connection"]) == (200, "close")


async def test_a_request_for_another_protocol_is_answered_in_this_one(port: int) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"

    async with raw_connection(port) as connection:
        await connection.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n" + upgrade + b"\r\n" + GET % b"/2")
        await connection.send(b"POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n" + upgrade + b"\r\nab")
        answers = [await connection.answer() for _ in range(2)]
        await connection.send(b"c" + GET % b"/4")
        answers += [await connection.answer() for _ in range(2)]

    assert [answer.json["path"] for answer in answers] == ["/1", "/2", "/3", "/4"]
    assert answers[2].json["body"] == "abc"


async def test_a_chunked_body_may_follow_a_request_for_another_protocol(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = await ask(port, head + b"3\r\nabc\r\n0\r\n\r\n")

    assert answer.json["body"] == "abc"


async def test_a_head_that_comes_while_the_answer_before_it_is_made_ends_the_idle_time(echo: Echo) -> None:
    hold = GET % b"/hold"

    async with serving(echo, PATIENT, keep_alive=1) as port, raw_connection(port) as connection:
        await connection.send(GET % b"/release" + hold[:-2])
        await asyncio.wait_for(echo.held.wait(), WITHIN)
        echo.held.clear()
        echo.released.set()
        await connection.answer()
        await connection.send(hold[-2:])
        await asyncio.wait_for(echo.held.wait(), WITHIN)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(echo.gone.wait(), 1.5)
