"""Requests whose bytes were read before, and that are requests like all others."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.integration.protocol.conftest import PATIENT, Echo, serving

from in_process.deadlines import eventually
from polling_api.protocol.heads import Heads
from running.raw import RawConnection, raw_connection

POLL = b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nIf-None-Match: x\r\nX-A: 1\r\nX-A: 2\r\n\r\n"


class Sought(Heads):
    """Heads that remember what was looked for: all that a connection read between two requests.

    Attributes:
        last: the newest of it.
    """

    last = b""

    def find(self, request: bytes) -> dict[str, Any] | None:
        """See `Heads.find`."""
        self.last = request
        return super().find(request)


@pytest.fixture
def heads() -> Sought:
    return Sought()


@pytest.fixture
async def remembering(echo: Echo, heads: Heads) -> AsyncIterator[int]:
    """The port of a server whose memory can be looked into."""
    async with serving(echo, PATIENT, heads=heads) as listening:
        yield listening


async def sent_and_read(connection: RawConnection, part: bytes, heads: Sought) -> None:
    """Send a part of a request, and come back when the server has read it, so that the rest comes by itself."""
    await connection.send(part)
    await eventually(lambda: heads.last == part)


async def asked(connection: RawConnection, request: bytes, times: int, *, head: bool = False) -> list[object]:
    """The answers to one request that is sent again and again, each time after the last answer."""
    answers: list[object] = []
    for _ in range(times):
        await connection.send(request)
        answer = await connection.answer(head=head)
        answers.append((answer.status, answer.body, answer.headers.get("connection")))
    return answers


async def test_what_is_asked_again_is_answered_again(remembering: int, heads: Heads, echo: Echo) -> None:
    async with raw_connection(remembering) as connection:
        answers = await asked(connection, POLL, 5)

    assert answers == [answers[0]] * 5
    assert echo.asked == ["/a"] * 5
    assert len(heads) == 1


async def test_what_was_asked_once_is_not_kept(remembering: int, heads: Heads) -> None:
    async with raw_connection(remembering) as connection:
        for number in range(5):
            await asked(connection, b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number, 1)

    assert len(heads) == 0


async def test_what_one_connection_asks_another_may_ask_too(remembering: int) -> None:
    async with raw_connection(remembering) as first, raw_connection(remembering) as second:
        known = await asked(first, POLL, 3)
        answers = await asked(second, POLL, 2)

    assert answers == known[:2]


async def test_a_head_that_comes_in_two_parts_is_read(remembering: int, heads: Sought) -> None:
    async with raw_connection(remembering) as connection:
        known = await asked(connection, POLL, 3)
        await sent_and_read(connection, POLL[:30], heads)
        answers = await asked(connection, POLL[30:], 1)

    assert answers == known[:1]


async def test_within_another_head_its_bytes_are_no_request(remembering: int, heads: Sought, echo: Echo) -> None:
    async with raw_connection(remembering) as connection:
        await asked(connection, POLL, 3)
        await sent_and_read(connection, b"GET /other HTTP/1.1\r\nX-B: ", heads)
        await connection.send(POLL)
        answer = await connection.answer()

    assert (answer.status, answer.json["path"]) == (200, "/other")
    assert ["x-b", "GET /a?b=c HTTP/1.1"] in answer.json["headers"]
    assert echo.asked == ["/a"] * 3 + ["/other"]


async def test_within_a_body_its_bytes_are_no_request(remembering: int, heads: Sought, echo: Echo) -> None:
    async with raw_connection(remembering) as connection:
        await asked(connection, POLL, 3)
        head = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(POLL)
        await sent_and_read(connection, head, heads)
        await connection.send(POLL)
        answer = await connection.answer()

    assert answer.json["body"].encode() == POLL
    assert echo.asked == ["/a"] * 3 + ["/body"]


async def test_behind_a_request_that_is_being_answered_it_waits_its_turn(remembering: int, echo: Echo) -> None:
    async with raw_connection(remembering) as connection:
        await asked(connection, POLL, 3)
        await connection.send(b"GET /release HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.wait_for(echo.held.wait(), 10)
        await connection.send(POLL)
        await connection.send(POLL + POLL)
        echo.released.set()
        answers = [await connection.answer() for _ in range(4)]

    assert [answer.json["path"] for answer in answers] == ["/release", "/a", "/a", "/a"]


async def test_one_that_waits_learns_that_its_client_is_gone(remembering: int, echo: Echo) -> None:
    hold = b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"
    release = b"GET /release HTTP/1.1\r\nHost: a\r\n\r\n"
    echo.released.set()

    async with raw_connection(remembering) as connection:
        await asked(connection, release, 2)
        echo.released.clear()
        echo.held.clear()
        await connection.send(release)  # known, and made a task since it has to wait
        await asyncio.wait_for(echo.held.wait(), 10)
        await connection.send(hold)
        echo.released.set()
        await connection.answer()
        connection.reset()
        await asyncio.wait_for(echo.gone.wait(), 10)


async def test_the_answer_to_a_head_has_no_body_any_time(remembering: int, heads: Heads) -> None:
    async with raw_connection(remembering) as connection:
        answers = await asked(connection, POLL.replace(b"GET", b"HEAD"), 4, head=True)

    assert answers == [(200, b"", None)] * 4
    assert len(heads) == 1


@pytest.mark.parametrize(
    "request_",
    [
        POLL.replace(b"1.1", b"1.0", 1),
        POLL.replace(b"X-A: 1", b"Connection: close"),
        POLL.replace(b"GET", b"POST"),
        POLL.replace(b"GET", b"POST").replace(b"X-A: 1", b"Content-Length: 3") + b"abc",
        POLL.replace(b"X-A: 1", b"Content-Length: 0"),
        POLL.replace(b"X-A: 1", b"Connection: upgrade\r\nUpgrade: h2c"),
        POLL.replace(b"X-A: 1", b"Expect: 100-continue"),
        POLL.replace(b"X-A: 1", b"Signature: sig=:eA==:"),
        POLL.replace(b"X-A: 1", b"X-Long: " + b"x" * 5000),
        POLL + POLL,
        POLL.replace(b"Host: a", b"Host: a/b"),
    ],
    ids=["1.0", "close", "POST", "body", "length", "upgrade", "expect", "signed", "long", "two", "refused"],
)
async def test_what_is_more_than_a_whole_head_or_good_once_is_never_kept(
    remembering: int, heads: Heads, request_: bytes
) -> None:
    async with raw_connection(remembering) as connection:
        for _ in range(3):
            try:
                await connection.send(request_)
                await connection.answer()
                if request_ == POLL + POLL:
                    await connection.answer()
            except (ConnectionError, asyncio.IncompleteReadError):
                break

    assert len(heads) == 0


async def test_a_connection_rests_as_long_as_it_may_from_its_last_answer_on(echo: Echo) -> None:
    async with serving(echo, PATIENT, keep_alive=1) as port, raw_connection(port) as connection:
        for _ in range(4):
            await asked(connection, POLL, 1)
            await asyncio.sleep(0.4)  # what has to pass is time itself
        asked_within = len(echo.asked)
        rest = await connection.rest()

    assert (asked_within, rest) == (4, b"")
