"""Contract: how much a process holds open at once, and what becomes of readers that do not read."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from tests.acceptance.abuse.conftest import HELD, KIB

from in_process.crowd import idle_streams, until_held
from running.figures import until_figure
from running.jobs import SET, Job, batch, read
from running.service import Service
from running.visitors import code_of, until_code

JOBS = 40
METADATA = {f"key-{number}": "x" * 500 for number in range(14)}  # 7 KB, and so in each event
SMALL_WINDOW = 4096  # bytes
READERS = 10
MOST_EACH = 2048 * KIB  # bytes: some times the events of all jobs as they began


async def test_over_what_a_process_holds_it_is_overloaded_and_polls_go_on(
    beset: Service, somebody: httpx.AsyncClient, job: Job
) -> None:
    events, waiting = job["links"]["events"], f"{job['links']['self']}?wait=1"
    async with idle_streams(beset.url, [events] * HELD):
        await until_held(beset.url, "stream", HELD)
        stream, wait = await somebody.get(events), await somebody.get(waiting)
        poll = await read(somebody, job)
    after = await until_code(somebody, waiting, "")

    for refused in (stream, wait):
        assert (refused.status_code, code_of(refused)) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) == refused.json()["retry_after"] > 0
        assert not any(name.startswith("x-ratelimit") for name in refused.headers)
    assert (poll.status_code, after.status_code) == (200, 200)


@asynccontextmanager
async def deaf_reader(url: str, path: str) -> AsyncGenerator[None]:
    """A stream's reader that reads nothing."""
    address, loop = urlsplit(url), asyncio.get_running_loop()
    with socket.socket() as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW)
        own.setblocking(False)  # noqa: FBT003 - it takes no keywords
        await loop.sock_connect(own, (address.hostname or "", address.port or 0))
        await loop.sock_sendall(own, f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        yield


@pytest.fixture
async def large_jobs(somebody: httpx.AsyncClient) -> list[str]:
    """The ids of jobs whose events together are more than the system keeps for a reader."""
    submitted = [await somebody.post(SET, json=batch(metadata=METADATA)) for _ in range(JOBS)]
    return [answer.json()["id"] for answer in submitted]


async def test_streams_whose_readers_stop_reading_are_cut_and_cost_a_bounded_memory_until_then(
    beset: Service, somebody: httpx.AsyncClient, large_jobs: list[str]
) -> None:
    path, worker = f"{SET}/events?ids={','.join(large_jobs)}", beset.workers[0]
    before = worker.memory()
    async with AsyncExitStack() as stack:
        for _ in range(READERS):
            await stack.enter_async_context(deaf_reader(beset.url, path))
        await until_figure(somebody, READERS, "polling_held", transport="stream")
        each = (worker.memory() - before) / READERS
        await until_figure(somebody, 0, "polling_held", transport="stream")

    print(f"a stream whose reader stopped costs {each / KIB:.0f} KiB until it is cut")  # noqa: T201
    assert each < MOST_EACH
