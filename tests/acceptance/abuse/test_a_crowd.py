"""Contract: a crowd that is more than a process can serve is refused before any work, and operators still see it."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from polling_api.domain.job import new_job_id
from running.asking import asking
from running.figures import figure
from running.jobs import SET
from running.service import Service, running_service
from running.visitors import code_of

# In three ticks in a row so late is what such a crowd makes of any process, and nobody of one that is idle for long.
LAG = 0.01  # seconds
CONNECTIONS = 100
EACH = 100  # requests, all sent at once, and again when they are answered: fewer than may wait on a connection
AT_MOST = 100.0  # seconds, on a machine that is busy with other tests
_STATUS = re.compile(rb"HTTP/1\.1 (\d+) ")


@pytest.fixture(scope="module")
async def crowded(
    beset_database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("crowded")
    settings = {"overload_lag": str(LAG), "log_level": "warning"}
    async with running_service(
        beset_database_url, redis_url, folder=folder, monitor=False, settings=settings
    ) as running:
        yield running


async def told_to_one(url: str, enough: asyncio.Event) -> Counter[int]:
    """What one of the crowd is told, who asks for jobs that would have to be looked for, until it is enough."""
    told = Counter[int]()
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    while not told or not enough.is_set():
        asked = [f"GET {SET}/{new_job_id()} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n" for _ in range(EACH)]
        writer.write("".join(asked).encode())
        came = b""
        while len(statuses := _STATUS.findall(came)) < EACH:
            more = await reader.read(1 << 16)
            assert more, "the connection was closed"
            came += more
        told.update(map(int, statuses))
    writer.transport.abort()
    return told


async def looked_for(client: httpx.AsyncClient) -> float:
    """How many ids the process has asked anybody about."""
    return await figure(client, "polling_snapshot_reads_total", source="primary")


async def until_refused(client: httpx.AsyncClient) -> tuple[httpx.Response, int]:
    """The first refusal for the crowd's sake, and how many requests were served before."""
    served = 0
    while (answer := await client.get(f"{SET}/{new_job_id()}")).status_code == 404:
        served += 1
    return answer, served


async def until_served(client: httpx.AsyncClient) -> None:
    while (await client.get(f"{SET}/{new_job_id()}")).status_code != 404:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.1)


async def test_a_crowd_is_refused_before_any_work_while_operators_are_answered(crowded: Service) -> None:
    async with asyncio.timeout(AT_MOST), asking(crowded.url, patience=AT_MOST) as client:
        before = await looked_for(client)
        enough = asyncio.Event()
        crowd = asyncio.gather(*(told_to_one(crowded.url, enough) for _ in range(CONNECTIONS)))
        refused, served = await until_refused(client)
        operators = [await client.get(path) for path in ("/health/live", "/metrics", "/health/ready")]
        enough.set()
        told = sum(await crowd, Counter[int]())
        read = await looked_for(client) - before
        await until_served(client)

    print(f"of a crowd of {told.total()} requests {told[503]} were refused")  # noqa: T201
    assert set(told) == {404, 503}
    assert code_of(refused) == "overloaded"
    assert int(refused.headers["retry-after"]) == refused.json()["retry_after"] > 0
    assert not any(name.startswith("x-ratelimit") for name in refused.headers)
    assert [answer.status_code for answer in operators[:2]] == [200, 200]
    assert operators[2].json()["status"] in {"ready", "degraded", "unavailable"}  # it asks Postgres, which may be late
    assert read == told[404] + served
