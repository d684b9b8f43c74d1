"""The faults: each a few lines that begin it and end it."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import psutil

from faulting.stand import Stand, hold_all_connections, let_go, second_monitor
from in_process.deadlines import comes_true
from polling_api.embedded import Server
from running.child import Child
from running.freezing import frozen
from running.jobs import QUIET, SET, batch
from running.replication import paused as replaying_nothing

ROOM = 60  # connections that the stand's Postgres opens in all
SLOW_READERS = 20
PIPELINED = 3000  # polls that a slow reader asks and does not read: more than any buffer holds

Make = Callable[[Stand], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault by name.

    Attributes:
        name: in the table.
        make: begins and ends it.
        bounded: whether it is part of `make test`.
        crowd: whether it is done to many streams.
        replicated: whether it is done to a service that reads from a replica, and is polled for what is not in memory.
    """

    name: str
    make: Make
    bounded: bool = False
    crowd: bool = False
    replicated: bool = False


@asynccontextmanager
async def redis_killed(stand: Stand) -> AsyncGenerator[None]:
    await stand.redis.go_down()
    yield
    await stand.redis.come_back()


@asynccontextmanager
async def redis_frozen(stand: Stand) -> AsyncGenerator[None]:
    stand.redis.freeze()
    yield
    stand.redis.thaw()


@asynccontextmanager
async def redis_flushed(stand: Stand) -> AsyncGenerator[None]:
    """Again and again."""

    async def flush() -> None:
        async with stand.redis.client() as redis:
            await redis.flushall()

    async with again_and_again(flush, every=0.5):
        yield


@asynccontextmanager
async def redis_slow(stand: Stand) -> AsyncGenerator[None]:
    """200 ms a round trip: within the limit of a call, beyond that of a look into the cache."""
    stand.to_redis.delay = 0.1
    yield
    stand.to_redis.delay = 0


@asynccontextmanager
async def redis_reset(stand: Stand) -> AsyncGenerator[None]:
    """Its connections are reset twice a second."""

    async def reset() -> None:
        stand.to_redis.reset()

    async with again_and_again(reset, every=0.5):
        yield


@asynccontextmanager
async def postgres_killed(stand: Stand) -> AsyncGenerator[None]:
    await asyncio.to_thread(kill, stand.postgres)
    yield
    await asyncio.to_thread(stand.postgres.restart)


@asynccontextmanager
async def postgres_frozen(stand: Stand) -> AsyncGenerator[None]:
    with frozen(stand.postgres):
        yield


@asynccontextmanager
async def postgres_slow(stand: Stand) -> AsyncGenerator[None]:
    """400 ms a round trip, and 256 KiB/s."""
    stand.to_postgres.delay, stand.to_postgres.rate = 0.2, 256 * 1024
    yield
    stand.to_postgres.delay, stand.to_postgres.rate = 0, 0


@asynccontextmanager
async def postgres_unreachable(stand: Stand) -> AsyncGenerator[None]:
    """The network swallows every packet: connections stay open, and nothing comes."""
    stand.to_postgres.freeze()
    yield
    stand.to_postgres.reset()
    stand.to_postgres.thaw()


@asynccontextmanager
async def postgres_full(stand: Stand) -> AsyncGenerator[None]:
    """The service's connections are cut, and somebody else opens all there are."""
    stand.to_postgres.refuse()
    held = await hold_all_connections(stand.postgres, ROOM)
    await stand.to_postgres.listen()
    yield
    await let_go(held)


@asynccontextmanager
async def provider_down(stand: Stand) -> AsyncGenerator[None]:
    stand.to_provider.refuse()
    yield
    await stand.to_provider.listen()


@asynccontextmanager
async def provider_slow(stand: Stand) -> AsyncGenerator[None]:
    """Four seconds a call, of the five that one may take."""
    stand.to_provider.delay = 2
    yield
    stand.to_provider.delay = 0


@asynccontextmanager
async def provider_limiting(stand: Stand) -> AsyncGenerator[None]:
    async with ordered(stand, {"kind": "rate_limit", "count": 1000, "value": 1}):
        yield


@asynccontextmanager
async def provider_lying(stand: Stand) -> AsyncGenerator[None]:
    """It tells earlier states, in words that are no JSON, and loses answers to what it has done."""
    lies = cycle(("regress", "garbage", "regress", "drop_after"))

    async def lie() -> None:
        await stand.client.post(f"{stand.simulator}/faults", json={"kind": next(lies), "count": 2})

    async with again_and_again(lie, every=0.2):
        yield
    await stand.client.delete(f"{stand.simulator}/faults")


@asynccontextmanager
async def worker_killed(stand: Stand) -> AsyncGenerator[None]:
    async with ended(stand.workers[0], signal.SIGKILL):
        yield


@asynccontextmanager
async def worker_paused(stand: Stand) -> AsyncGenerator[None]:
    async with paused(stand.workers[0]):
        yield


@asynccontextmanager
async def monitor_killed(stand: Stand) -> AsyncGenerator[None]:
    async with ended(stand.service.monitors[0], signal.SIGKILL):
        yield


@asynccontextmanager
async def monitor_paused(stand: Stand) -> AsyncGenerator[None]:
    """For longer than its leases, while a second one, whose clock is an hour ahead, takes its jobs over."""
    second = await second_monitor(stand, "monitor-ahead")
    async with paused(stand.service.monitors[0]):
        yield
    await second.stop()


@asynccontextmanager
async def clocks_skewed(stand: Stand) -> AsyncGenerator[None]:
    """Two monitors, whose clocks are an hour apart."""
    second = await second_monitor(stand, "monitor-skewed")
    yield
    await second.stop()


@asynccontextmanager
async def worker_terminated(stand: Stand) -> AsyncGenerator[None]:
    """SIGTERM, and a new one as soon as it has ended."""
    async with ended(stand.workers[0], signal.SIGTERM):
        yield


@asynccontextmanager
async def readers_stopped(stand: Stand) -> AsyncGenerator[None]:
    """Some ask thousands of times on one connection, and read nothing of what comes."""
    submitted = await stand.client.post(f"{stand.service.url}{SET}", json=batch(script=QUIET))
    connections = [await asyncio.open_connection("127.0.0.1", stand.workers[0].port) for _ in range(SLOW_READERS)]
    path = submitted.json()["links"]["self"]
    for _, writer in connections:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() * PIPELINED)
    yield
    for _, writer in connections:
        writer.transport.abort()


@asynccontextmanager
async def replica_killed(stand: Stand) -> AsyncGenerator[None]:
    replica = await _asked(stand)
    await asyncio.to_thread(kill, replica)
    yield
    await asyncio.to_thread(replica.restart)


@asynccontextmanager
async def replica_frozen(stand: Stand) -> AsyncGenerator[None]:
    with frozen(await _asked(stand)):
        yield


@asynccontextmanager
async def replica_lagging(stand: Stand) -> AsyncGenerator[None]:
    """It answers, and replays nothing."""
    async with replaying_nothing(await _asked(stand)):
        yield


async def _asked(stand: Stand) -> Server:
    """The replica, once it is: a fault of one that is not read from would show nothing."""
    assert stand.replica is not None
    await comes_true(stand.reads_from_replica)
    return stand.replica


FAULTS = (
    Fault("nothing", lambda _: nothing()),
    Fault("Redis killed", redis_killed),
    Fault("Redis frozen", redis_frozen, bounded=True),
    Fault("Redis flushed, again and again", redis_flushed),
    Fault("Redis slow (200 ms)", redis_slow),
    Fault("Redis's connections reset, again and again", redis_reset),
    Fault("Postgres killed", postgres_killed, bounded=True),
    Fault("Postgres frozen", postgres_frozen),
    Fault("Postgres slow (400 ms)", postgres_slow),
    Fault("Postgres unreachable", postgres_unreachable),
    Fault("Postgres out of connections", postgres_full),
    Fault("provider down", provider_down),
    Fault("provider slow (4 s)", provider_slow),
    Fault("provider answers 429", provider_limiting),
    Fault("provider lies", provider_lying),
    Fault("a worker killed", worker_killed),
    Fault("a worker paused", worker_paused),
    Fault("the monitor killed", monitor_killed),
    Fault("a monitor paused, another takes over", monitor_paused),
    Fault("two monitors, clocks an hour apart", clocks_skewed),
    Fault("readers that stop reading", readers_stopped),
    Fault("SIGTERM to a worker with {} streams", worker_terminated, bounded=True, crowd=True),
    Fault("a replica killed", replica_killed, replicated=True),
    Fault("a replica frozen", replica_frozen, replicated=True),
    Fault("a replica that replays nothing", replica_lagging, replicated=True),
)


@asynccontextmanager
async def nothing() -> AsyncGenerator[None]:
    """For comparison."""
    yield


@asynccontextmanager
async def again_and_again(act: Callable[[], Awaitable[None]], *, every: float) -> AsyncGenerator[None]:
    """Do something so often for as long as the block runs."""

    over = asyncio.Event()

    async def go_on() -> None:
        while not over.is_set():
            await act()
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), every)

    going_on = asyncio.create_task(go_on())  # not cancelled: redis-py swallows that on Python 3.11
    try:
        yield
    finally:
        over.set()
        await going_on


@asynccontextmanager
async def ordered(stand: Stand, fault: dict[str, Any]) -> AsyncGenerator[None]:
    """A fault that the provider makes by itself."""
    await stand.client.post(f"{stand.simulator}/faults", json=fault)
    yield
    await stand.client.delete(f"{stand.simulator}/faults")


@asynccontextmanager
async def ended(child: Child, number: signal.Signals) -> AsyncGenerator[None]:
    """A process that is ended by a signal, and started again at its address when the block has ended."""
    child.kill(number)
    yield
    await child.ended()
    await child.start()


@asynccontextmanager
async def paused(child: Child) -> AsyncGenerator[None]:
    """A process that is stopped for the time of a block."""
    os.kill(child.pid, signal.SIGSTOP)
    yield
    os.kill(child.pid, signal.SIGCONT)


def kill(server: Server) -> None:
    """As a power cut would: the first process, and each that works for it."""
    first = psutil.Process(server.pid)
    processes = [first, *first.children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)
