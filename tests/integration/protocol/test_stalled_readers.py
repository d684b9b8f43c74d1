"""Clients that ask, and do not read what they are answered."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from starlette.types import Receive, Scope, Send
from tests.integration.protocol.conftest import MANY, PATIENT, Echo, serving

from in_process.deadlines import eventually
from polling_api.api.answers import CUT
from polling_api.protocol import Capacity
from polling_api.protocol.backlog import Backlog

GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = 8 * 1024 * 1024  # bytes: more than the system keeps for a connection
SMALL_WINDOW = 64 * 1024
SOON = PATIENT._replace(stalled_seconds=0.5)
SLOWLY = PATIENT._replace(stalled_seconds=1.5)
WITHIN = 8.0  # seconds: far more than half of one, on a busy machine

LAST = b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

REST = 16 * 1024  # bytes: so much less than uvicorn waits for that it takes a reader for one that reads
IN_SYSTEM = 4096  # bytes
LITTLE = 60 * 1024  # bytes: more than that on both sides, and less than what makes uvicorn wait for the reader


class Teller(Echo):
    """Answers with much: `/parts` in two parts, `/given-up` as who gives a reader up half-way; with less: `/little`.

    Attributes:
        answered: how many answers were written to their end, or could not be.
        told_gone: how many were broken off, their client being gone: those of `/endless`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answered = self.told_gone = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer one request (ASGI)."""
        self.asked.append(scope["path"])
        if scope["path"] == "/cut":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"part", "more_body": True})
            await send({"type": CUT})
            return
        if scope["path"] == "/endless":
            await self._send_without_end(send)
            return
        parts = {"/whole": [LARGE], "/little": [LITTLE]}.get(scope["path"], [LARGE, LARGE])
        length = (b"content-length", b"%d" % sum(parts))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        for number, size in enumerate(parts, 1):
            if number == 1 or scope["path"] != "/given-up":
                await send({"type": "http.response.body", "body": b"x" * size, "more_body": number < len(parts)})
        self.answered += 1

    async def _send_without_end(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * LITTLE, "more_body": True})
                await asyncio.sleep(0)
        except ConnectionResetError:
            self.told_gone += 1


@asynccontextmanager
async def deaf_client(port: int, *requests: bytes, window: int = SMALL_WINDOW) -> AsyncGenerator[socket.socket]:
    """A socket that has asked, has room for little, and reads nothing by itself."""
    with socket.socket() as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        own.setblocking(False)  # noqa: FBT003 - it takes no keywords
        loop = asyncio.get_running_loop()
        await loop.sock_connect(own, ("127.0.0.1", port))
        await loop.sock_sendall(own, b"".join(requests))
        yield own


async def received(own: socket.socket) -> int:
    """Read an answer of `/whole`: how many bytes it had, with its head."""
    loop, read = asyncio.get_running_loop(), 0
    async with asyncio.timeout(30):
        while read <= LARGE:
            piece = await loop.sock_recv(own, SMALL_WINDOW)
            if not piece:
                raise ConnectionResetError
            read += len(piece)
    return read


@pytest.fixture
def teller() -> Teller:
    return Teller()


@pytest.fixture
def capacity() -> Capacity:
    return Capacity(MANY, MANY, lambda _: False)


@pytest.mark.parametrize(
    "request_", [GET % b"/parts", GET % b"/whole", LAST % b"/whole"], ids=["parts", "whole", "closed"]
)
async def test_who_reads_nothing_is_cut_and_what_waited_is_freed(
    teller: Teller, capacity: Capacity, request_: bytes
) -> None:
    async with serving(teller, SOON, capacity=capacity) as port, deaf_client(port, request_):
        await eventually(lambda: len(teller.asked) == 1, WITHIN)
        await eventually(lambda: capacity.open == 0, WITHIN)
        await eventually(lambda: teller.answered == 1, WITHIN)


@pytest.mark.parametrize("request_", [LAST % b"/little", GET % b"/little"], ids=["at once", "after being idle"])
async def test_what_is_closed_does_not_wait_for_a_reader_either(
    teller: Teller, capacity: Capacity, request_: bytes
) -> None:
    async with (
        serving(teller, SOON, keep_alive=1, capacity=capacity, in_system=IN_SYSTEM) as port,
        deaf_client(port, request_, window=IN_SYSTEM),
    ):
        await eventually(lambda: teller.answered == 1, WITHIN)
        await eventually(lambda: capacity.open == 0, WITHIN)


async def test_the_rest_of_what_is_closed_has_its_time_too(teller: Teller, capacity: Capacity) -> None:
    loop, read = asyncio.get_running_loop(), 0
    async with (
        serving(teller, SOON, capacity=capacity, in_system=IN_SYSTEM) as port,
        deaf_client(port, LAST % b"/whole", window=IN_SYSTEM) as own,
    ):
        while read < LARGE - REST:
            read += len(await loop.sock_recv(own, LARGE - REST - read))
        await eventually(lambda: capacity.open == 0, WITHIN)


async def test_who_reads_nothing_has_one_answer_waiting_however_much_it_asks_for(
    teller: Teller, capacity: Capacity
) -> None:
    async with serving(teller, SOON, capacity=capacity) as port, deaf_client(port, *[GET % b"/whole"] * 50):
        await eventually(lambda: len(teller.asked) > 0, WITHIN)
        await eventually(lambda: capacity.open == 0, WITHIN)

    assert len(teller.asked) <= 2


async def test_an_answer_that_was_given_up_is_cut_at_once_where_its_reader_is_slow(
    teller: Teller, capacity: Capacity
) -> None:
    async with serving(teller, PATIENT, capacity=capacity) as port, deaf_client(port, GET % b"/given-up"):
        await eventually(lambda: teller.answered == 1, WITHIN)
        await eventually(lambda: capacity.open == 0, WITHIN)


@pytest.mark.parametrize(
    "backlog", [Backlog(most=20 * 1024 * 1024), Backlog(most_of_address=20 * 1024 * 1024)], ids=["all", "an address"]
)
async def test_where_too_much_waits_for_readers_whoever_is_longest_at_it_is_cut(
    teller: Teller, backlog: Backlog
) -> None:
    capacity = Capacity(MANY, MANY, lambda _: False, backlog)
    async with (
        serving(teller, PATIENT, capacity=capacity, in_system=IN_SYSTEM) as port,
        AsyncExitStack() as stack,
    ):
        first, second = [await stack.enter_async_context(deaf_client(port, GET % b"/whole")) for _ in range(2)]
        await eventually(lambda: teller.answered == 2, WITHIN)
        both = capacity.open

        third = await stack.enter_async_context(deaf_client(port, GET % b"/whole"))
        await eventually(lambda: capacity.open == 2 and teller.answered == 3, WITHIN)
        read = [await received(own) for own in (second, third)]
        with pytest.raises(ConnectionResetError):
            await received(first)

    assert both == 2
    assert all(whole > LARGE for whole in read)


async def test_who_makes_a_long_answer_is_told_that_nobody_is_there(teller: Teller, capacity: Capacity) -> None:
    async with serving(teller, PATIENT, capacity=capacity) as port:
        async with deaf_client(port, GET % b"/endless"):
            await eventually(lambda: len(teller.asked) == 1, WITHIN)
        await eventually(lambda: teller.told_gone == 1, WITHIN)


async def test_an_answer_that_is_broken_off_on_purpose_has_no_end_and_is_no_error_of_ours(
    teller: Teller, capacity: Capacity, caplog: pytest.LogCaptureFixture
) -> None:
    loop, came = asyncio.get_running_loop(), b""
    async with serving(teller, PATIENT, capacity=capacity) as port, deaf_client(port, GET % b"/cut") as own:
        async with asyncio.timeout(WITHIN):
            while piece := await loop.sock_recv(own, SMALL_WINDOW):
                came += piece
        await eventually(lambda: capacity.open == 0, WITHIN)

    assert came.endswith(b"\r\n\r\n4\r\npart\r\n")
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_who_reads_slowly_gets_all_of_it(teller: Teller, capacity: Capacity) -> None:
    loop, read = asyncio.get_running_loop(), 0
    async with serving(teller, SLOWLY, capacity=capacity) as port, deaf_client(port, GET % b"/whole") as own:
        began = loop.time()
        while read < LARGE:
            read += len(await loop.sock_recv(own, SMALL_WINDOW))
            await asyncio.sleep(0.02)
        took = loop.time() - began

    assert took > SLOWLY.stalled_seconds
    assert teller.answered == 1
