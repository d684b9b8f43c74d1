"""Contract: who sends slowly, or not at all, takes nothing from others, and is gone in 15 s."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

import httpx
from tests.acceptance.abuse.conftest import BODY_SECONDS, HEAD_SECONDS

from polling_api.protocol.connection import LINGER_OF_THE_LATE
from running.figures import figure, until_figure
from running.jobs import SET, Job, read
from running.raw import RawConnection, raw_connection
from running.visitors import new_address

EACH = 100
MOST = 180  # of twice as many
GONE_WITHIN = 15.0  # seconds: the promise, with times of the service's own that are shorter here than by default
DRIP_EVERY = 0.5  # seconds
POLL_EVERY = 0.05  # seconds
LONGEST_POLL = 5.0  # seconds; a poll takes some milliseconds, and far more on a busy machine

HEAD = b"GET %s HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %s\r\n"
UPLOAD = (
    b"POST %s HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %s\r\nContent-Type: application/json\r\n"
    b"Content-Length: 50000\r\n\r\n" + b'{"requests":[' + b" " * 1000
)


async def slow_head(connection: RawConnection) -> bytes:
    """Send a head that never ends, a byte now and then, until the service has enough; all that it said."""
    await connection.send(HEAD % (SET.encode(), new_address().encode()) + b"X-Long: ")
    dripping = asyncio.create_task(drip(connection))
    try:
        return await connection.rest()
    finally:
        dripping.cancel()


async def drip(connection: RawConnection) -> None:
    with suppress(ConnectionError):
        while True:
            await asyncio.sleep(DRIP_EVERY)
            await connection.send(b"x")


async def stalled_upload(connection: RawConnection) -> bytes:
    """Send a part of a body and no more, until the service has enough; all that it said."""
    await connection.send(UPLOAD % (SET.encode(), new_address().encode()))
    return await connection.rest()


async def polls(client: httpx.AsyncClient, job: Job, attack: asyncio.Future[list[bytes]]) -> Sequence[float]:
    """Poll for as long as an attack lasts; how long each answer took, in seconds."""
    took = list[float]()
    while not attack.done():
        began = time.perf_counter()
        answer = await read(client, job)
        took.append(time.perf_counter() - began)
        assert answer.status_code == 200
        await asyncio.sleep(POLL_EVERY)
    return took


async def test_a_hundred_slow_heads_and_stalled_uploads_leave_the_service_answering_and_are_gone_in_time(
    somebody: httpx.AsyncClient, job: Job, port: int
) -> None:
    before = await figure(somebody, "polling_connections")
    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(raw_connection(port)) for _ in range(2 * EACH)]
        began = time.monotonic()
        attack = asyncio.gather(*map(slow_head, slow[:EACH]), *map(stalled_upload, slow[EACH:]))
        took = await polls(somebody, job, attack)
        told = await attack
        lasted = time.monotonic() - began
        # The service's own side ends too, while ours is open.
        await until_figure(somebody, before, "polling_connections")
        ended = time.monotonic() - began

    print(  # noqa: T201 - the figures themselves are asked for
        f"{2 * EACH} slow connections were told after {lasted:.1f} s and gone after {ended:.1f} s; "
        f"of {len(took)} polls beside them the slowest took {max(took) * 1000:.0f} ms"
    )
    # Who goes on sending until it is cut may lose what it was told before it reads it.
    answers = Counter(one.split(b"\r\n")[0] for one in told)
    assert answers.keys() <= {b"HTTP/1.1 408 Request Timeout", b""}
    assert answers[b"HTTP/1.1 408 Request Timeout"] >= MOST
    assert HEAD_SECONDS <= lasted <= ended < GONE_WITHIN
    assert BODY_SECONDS + LINGER_OF_THE_LATE < GONE_WITHIN
    assert max(took) < LONGEST_POLL
