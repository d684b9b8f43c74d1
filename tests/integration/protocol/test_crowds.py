"""How many connections are taken, whether anything is asked on them or not."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import pytest
from tests.integration.protocol.conftest import MANY, PATIENT, Echo, serving

from in_process.deadlines import eventually
from polling_api.protocol import Capacity
from polling_api.protocol.capacity import MOST_TURNED_AWAY
from running.raw import RawConnection, ask, raw_connection

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
MOST = 5
ROOM_WITHIN = 5.0  # seconds; that a connection has ended is known at once


async def idle(port: int, stack: AsyncExitStack, times: int) -> Sequence[RawConnection]:
    """So many connections on which nothing is asked."""
    return [await stack.enter_async_context(raw_connection(port)) for _ in range(times)]


def of_process() -> Capacity:
    return Capacity(MOST, MANY, lambda _: False)


def of_address() -> Capacity:
    return Capacity(MANY, MOST, lambda _: False)


@pytest.mark.parametrize("make", [of_process, of_address])
async def test_over_the_cap_a_connection_is_told_so_and_closed(echo: Echo, make: Callable[[], Capacity]) -> None:
    capacity = make()
    async with AsyncExitStack() as stack, serving(echo, PATIENT, capacity=capacity) as port:
        first, *_ = await idle(port, stack, MOST)
        await eventually(lambda: capacity.open == MOST, ROOM_WITHIN)
        async with raw_connection(port) as over:
            await over.send(GET)
            refused, rest = await over.answer(), await over.rest()
        await first.send(GET)
        answered = await first.answer()

    assert (refused.status, refused.code, rest) == (503, "overloaded", b"")
    assert refused.headers["connection"] == "close"
    assert int(refused.headers["retry-after"]) == refused.json["retry_after"] > 0
    assert not any(name.startswith("x-ratelimit") for name in refused.headers)
    assert (answered.status, echo.asked) == (200, ["/"])


STREAM = b"GET /api/v1/jobs/a/events?refusals=stream HTTP/1.1\r\nHost: a\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


@pytest.mark.parametrize("fields", [b"", UPGRADE])
async def test_over_the_cap_an_event_source_is_refused_so_that_it_comes_again(echo: Echo, fields: bytes) -> None:
    capacity = of_process()
    async with AsyncExitStack() as stack, serving(echo, PATIENT, capacity=capacity) as port:
        await idle(port, stack, MOST)
        await eventually(lambda: capacity.open == MOST, ROOM_WITHIN)
        async with raw_connection(port) as over:
            await over.send(STREAM[:30])
            await over.send(STREAM[30:] + fields + b"\r\n" + GET)
            told = await over.rest()

    head, _, body = told.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-type: text/event-stream" in head
    assert body.count(b"event: problem\n") == 1
    assert b"retry: " in body
    assert b'"code":"overloaded"' in body
    assert told.count(b"HTTP/1.1") == 1
    assert echo.asked == []


async def test_over_the_cap_who_does_not_ask_is_told_all_the_same(echo: Echo) -> None:
    capacity = of_process()
    async with AsyncExitStack() as stack, serving(echo, PATIENT, capacity=capacity) as port:
        await idle(port, stack, MOST)
        await eventually(lambda: capacity.open == MOST, ROOM_WITHIN)
        async with raw_connection(port) as silent, raw_connection(port) as slow:
            await slow.send(GET[:10])
            answers = [await one.answer() for one in (silent, slow)]

    assert [(answer.status, answer.code) for answer in answers] == [(503, "overloaded")] * 2


@pytest.mark.parametrize("make", [of_process, of_address])
async def test_a_connection_that_ends_makes_room(echo: Echo, make: Callable[[], Capacity]) -> None:
    capacity = make()
    async with serving(echo, PATIENT, capacity=capacity) as port:
        for _ in range(3):
            async with AsyncExitStack() as stack:
                *_, last = await idle(port, stack, MOST)
                await last.send(GET)
                assert (await last.answer()).status == 200
            await eventually(lambda: capacity.open == 0, ROOM_WITHIN)

    assert capacity.addresses == 0


async def test_connections_through_a_proxy_are_counted_by_the_process_alone(echo: Echo) -> None:
    capacity = Capacity(2 * MOST, MOST, lambda peer: peer == "127.0.0.1")
    async with AsyncExitStack() as stack, serving(echo, PATIENT, capacity=capacity) as port:
        *_, last = await idle(port, stack, 2 * MOST)
        await last.send(GET)
        taken = await last.answer()
        refused = await ask(port, GET)

    assert (taken.status, refused.status) == (200, 503)


async def test_of_very_many_over_the_cap_most_are_cut_without_a_word(echo: Echo) -> None:
    capacity = Capacity(1, MANY, lambda _: False)
    async with AsyncExitStack() as stack, serving(echo, PATIENT, capacity=capacity) as port:
        await idle(port, stack, 1)
        await eventually(lambda: capacity.open == 1, ROOM_WITHIN)
        over = await idle(port, stack, 2 * MOST_TURNED_AWAY)
        told = await asyncio.gather(*(one.rest() for one in over), return_exceptions=True)
        await stack.aclose()
        await eventually(lambda: capacity.open == 0, ROOM_WITHIN)
        later = await ask(port, GET)

    answers = [one for one in told if isinstance(one, bytes) and one.startswith(b"HTTP/1.1 503 ")]
    assert len(answers) == MOST_TURNED_AWAY
    assert later.status == 200
