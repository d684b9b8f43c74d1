"""Contract: how much may be on its way in at once, of a caller and in all."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
from tests.acceptance.abuse.conftest import KIB, UPLOAD, UPLOADS

from running.jobs import SET
from running.raw import raw_connection
from running.service import Service
from running.visitors import ASK_EVERY, WITHIN, code_of, new_address, visitor

STALLED = (
    80 * KIB
)  # bytes: with another 40 KiB more than a caller may send at once, and three of them more than all may
SMALL = 40 * KIB
HEAD = (
    b"POST %s HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %s\r\nContent-Type: application/json\r\n"
    b"Content-Length: 4000000\r\n\r\n"
)


def small_batch() -> dict[str, object]:
    """A batch of 40 KiB."""
    return {"requests": [{"custom_id": "one", "body": {"model": "m", "input": "x" * SMALL}}]}


@asynccontextmanager
async def stalled_upload(port: int, address: str) -> AsyncGenerator[None]:
    """An upload of which 80 KiB have come, and no more do; it is cut off at the end of the block."""
    async with raw_connection(port) as connection:
        await connection.send(HEAD % (SET.encode(), address.encode()) + b'{"requests":[' + b" " * STALLED)
        yield
        connection.reset()


async def until_submitted(client: httpx.AsyncClient, code: str) -> httpx.Response:
    """Submit 40 KiB until the answer has a code (empty: none)."""
    answer = await client.post(SET, json=small_batch())
    for _ in range(int(WITHIN / ASK_EVERY)):
        if code_of(answer) == code:
            return answer
        await asyncio.sleep(ASK_EVERY)
        answer = await client.post(SET, json=small_batch())
    raise AssertionError(f"stayed at {answer.status_code} {code_of(answer)!r}, not {code!r}")


async def test_what_a_caller_sends_at_once_is_bounded_and_counts_no_more_when_it_is_gone(
    beset: Service, port: int
) -> None:
    assert STALLED < UPLOAD < STALLED + SMALL
    address = new_address()
    async with visitor(beset.url, address) as caller, visitor(beset.url) as neighbour:
        async with stalled_upload(port, address):
            refused = await until_submitted(caller, "too_many_uploads")
            beside = await neighbour.post(SET, json=small_batch())
        after = await until_submitted(caller, "")

    assert (refused.status_code, beside.status_code, after.status_code) == (429, 202, 202)
    assert int(refused.headers["retry-after"]) == refused.json()["retry_after"] > 0
    assert "x-ratelimit-remaining" in refused.headers


async def test_what_a_process_takes_in_at_once_is_bounded_and_counts_no_more_when_its_senders_are_gone(
    beset: Service, port: int
) -> None:
    assert 3 * STALLED < UPLOADS < 3 * STALLED + SMALL
    async with visitor(beset.url) as caller:
        async with AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(stalled_upload(port, new_address()))
            refused = await until_submitted(caller, "overloaded")
        after = await until_submitted(caller, "")

    assert (refused.status_code, after.status_code) == (503, 202)
    assert int(refused.headers["retry-after"]) == refused.json()["retry_after"] > 0
    assert not any(name.startswith("x-ratelimit") for name in refused.headers)
