"""What a poll, an answer and an open request cost, where that does not depend on the machine."""

import asyncio
import gc
import sys
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import Message

from in_process.asked_of_postgres import count_statements, statements_asked
from in_process.carriers import RedisCarrier
from in_process.crowd import idle_streams, idle_waits, spread, until_held
from in_process.deadlines import eventually
from in_process.moving import Mover
from in_process.worker import Worker, worker_here
from polling_api.api.held import SteppedSend
from polling_api.api.requests import ASKED, Asked
from polling_api.api.streaming import OpenStream
from polling_api.api.waiting import HeldAnswer
from polling_api.domain.caller import Grant, Scope
from polling_api.domain.job import Job
from polling_api.protocol import CountedProtocol
from polling_api.protocol.connection import EXTENSIONS
from polling_api.protocol.cycle import Cycle
from polling_api.representation import Form, Rendered
from running.budgets import keep
from running.keyholders import make_client
from running.planted import PLANTED

POLLS = 200  # of one kind; the least of them is what a poll costs
KEPT = 2_000  # polls after which it is counted what they have left
HELD_OPEN = 50
FORM = Form("/api/v1/jobs")

Poll = Callable[[], Awaitable[None]]
Idle = Callable[..., AbstractAsyncContextManager[object]]

HELD: Mapping[str, tuple[Idle, str]] = {"stream": (idle_streams, "/events"), "wait": (idle_waits, "?wait=30")}


@pytest.fixture(scope="module")
async def worker(
    postgres_url: str, redis: RedisCarrier, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Worker]:
    async with worker_here(postgres_url, redis.server.url, tmp_path_factory.mktemp("worker")) as here:
        yield here


@pytest.fixture
async def job(engine: AsyncEngine) -> Job:
    return await Mover(engine).stored()


async def commands_asked(redis: RedisCarrier) -> int:
    """How many a Redis has carried out."""
    async with redis.client() as client:
        counts = await client.info("commandstats")
    return sum(count["calls"] for count in counts.values())


async def head_of(worker: Worker, path: str, *fields: bytes) -> tuple[bytes, Mapping[str, str]]:
    """The head of an answer as it is on the wire, and its fields."""
    reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
    lines = [f"GET {path} HTTP/1.1".encode(), b"Host: 127.0.0.1", *fields, b"", b""]
    writer.write(b"\r\n".join(lines))
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    named = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
    return head, dict(named)


async def polling(worker: Worker, job: Job, credentials: bytes = b"") -> Poll:
    """A `304` in the application alone, of a request that came before, as the server hands it on; all is warm."""
    path = f"/api/v1/jobs/{job.id}"
    authorization = [b"Authorization: " + credentials] if credentials else []
    _, fields = await head_of(worker, path, *authorization)
    headers = [(b"host", b"127.0.0.1"), (b"if-none-match", fields["etag"].encode())]
    headers += [(b"authorization", credentials)] if credentials else []
    asked, statuses = Asked(headers), list[int]()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if "status" in message:
            statuses.append(message["status"])

    async def poll() -> None:
        statuses.clear()
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "scheme": "http",
            "extensions": EXTENSIONS,
            ASKED: asked,
        }
        await worker.service.asgi(scope, receive, send)
        assert statuses == [304]

    for _ in range(POLLS):
        await poll()
    return poll


@pytest.fixture
async def poll(worker: Worker, job: Job) -> Poll:
    """One of somebody whom nobody knows."""
    return await polling(worker, job)


@pytest.fixture
async def borne_poll(worker: Worker, engine: AsyncEngine) -> Poll:
    """One of a token's bearer."""
    client = await make_client(engine, vault=worker.core.vault)
    client_id = client.row.client_id
    job = await Mover(engine).stored(client_id=client_id)
    ends = datetime.now(UTC) + timedelta(hours=1)
    grant = Grant(f"tok_{'0' * 32}", client_id, client.id, frozenset({job.id}), frozenset({Scope.STATUS}), ends)
    token = PLANTED.plant("access token", worker.core.tokens.token_for(grant))
    return await polling(worker, job, f"Bearer {token}".encode())


async def keep_from_asking(poll: Poll, engine: AsyncEngine, redis: RedisCarrier) -> None:
    """Hold what a poll asks of others to its budgets. What runs beside asks by the clock, much less than so often."""
    await count_statements(engine)
    before = await statements_asked(engine), await commands_asked(redis)
    for _ in range(KEPT):
        await poll()
    after = await statements_asked(engine), await commands_asked(redis)

    keep("statements.poll", (after[0] - before[0]) // KEPT)
    keep("commands.poll", (after[1] - before[1]) // KEPT)


async def test_a_poll_asks_neither_postgres_nor_redis(engine: AsyncEngine, redis: RedisCarrier, poll: Poll) -> None:
    await keep_from_asking(poll, engine, redis)


async def test_a_poll_with_a_token_asks_neither_postgres_nor_redis(
    engine: AsyncEngine, redis: RedisCarrier, borne_poll: Poll
) -> None:
    await keep_from_asking(borne_poll, engine, redis)


async def test_a_304_and_the_head_of_a_200_keep_their_budgets_of_bytes(worker: Worker, job: Job) -> None:
    path = f"/api/v1/jobs/{job.id}"
    whole, fields = await head_of(worker, path)
    seen, _ = await head_of(worker, path, b"If-None-Match: " + fields["etag"].encode())

    assert (whole[9:12], seen[9:12]) == (b"200", b"304")
    keep("bytes.not_modified", len(seen))
    keep("bytes.whole_head", len(whole))


def test_an_event_keeps_its_budget_of_bytes(job: Job) -> None:
    keep("bytes.event", len(Rendered(job, FORM).event))


async def test_a_poll_keeps_its_budget_of_calls(poll: Poll) -> None:
    keep("poll.calls", min([await _calls(poll) for _ in range(POLLS)]))


async def test_a_poll_keeps_its_budgets_of_memory(poll: Poll) -> None:
    tracemalloc.start()
    peaks = [await _peak(poll) for _ in range(POLLS)]
    tracemalloc.stop()
    before = sys.getallocatedblocks()
    for _ in range(KEPT):
        await poll()
    kept = sys.getallocatedblocks() - before

    keep("poll.peak_bytes", min(peaks))
    keep("poll.kept_blocks", max(0, kept / KEPT))


async def _calls(poll: Poll) -> int:
    """Calls of functions, in Python and C, while it is answered; it never waits, so they are all its own."""
    count = 0

    def called(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(called)
    await poll()
    sys.setprofile(None)
    return count


async def _peak(poll: Poll) -> int:
    """Bytes that are allocated at once while it is answered."""
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    await poll()
    return tracemalloc.get_traced_memory()[1] - before


@pytest.fixture
def no_collector() -> Iterator[None]:
    """It looks through what is old hardly ever in a process that holds thousands: see `server.run_worker`."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(("idle", "ending", "transport"), [(*HELD["stream"], "stream"), (*HELD["wait"], "wait")])
async def test_what_was_held_is_freed_without_the_collector_when_its_client_leaves(
    worker: Worker, job: Job, idle: Idle, ending: str, transport: str
) -> None:
    async with idle(worker.url, spread([job], ending, HELD_OPEN)):
        await until_held(worker.url, transport, HELD_OPEN)
        held = _alive()

    assert sum(held.values()) >= 3 * HELD_OPEN
    await eventually(lambda: _alive() == Counter())


def _alive() -> Counter[str]:
    """What there is of connections, requests and what they hold, by kind."""
    kinds = (OpenStream, HeldAnswer, SteppedSend, Cycle, CountedProtocol)
    return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, kinds))


@pytest.mark.parametrize(
    ("idle", "ending", "transport", "budget"),
    [(*HELD["stream"], "stream", "tasks.stream"), (*HELD["wait"], "wait", "tasks.waiter")],
)
async def test_what_is_held_open_keeps_its_budget_of_tasks(
    worker: Worker, job: Job, idle: Idle, ending: str, transport: str, budget: str
) -> None:
    before = len(asyncio.all_tasks())
    async with idle(worker.url, spread([job], ending, HELD_OPEN)):
        await until_held(worker.url, transport, HELD_OPEN)
        tasks = len(asyncio.all_tasks()) - before

    keep(budget, round(tasks / HELD_OPEN))
