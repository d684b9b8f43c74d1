"""Streams and waits of the service and of plain ASGI in this one process, turn by turn."""

import asyncio
import gc
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol, cast

import uvloop

from polling_api import logs
from polling_api.hub import Notice
from polling_api.server import COLLECTED_AFTER
from stand import raw_asgi
from stand.without_sockets import Connect, NoSocket, Served, plain, profile, request, served

STREAMS, WAITERS, OPENED = 200, 32, 32  # at once
CHANGES = 5  # to the same ones
ASKING = "Accept: application/json, text/event-stream"
PROFILED = 20  # turns
EVENT = raw_asgi.BODY  # what is posted to plain ASGI: as long as an event of ours

Connections = Sequence[asyncio.Protocol]


class Side(Protocol):
    """What is measured: where a job is followed and waited for, and can be changed."""

    connect: Connect
    stream: bytes
    wait: bytes

    def change(self) -> None:
        """Tell a new version to all who follow or wait."""
        ...

    def held(self) -> int:
        """How many there are of these."""
        ...


class Plain:
    """Plain ASGI."""

    def __init__(self) -> None:
        self.connect = plain()
        self.stream, self.wait = request("/events/0", ASKING), request("/wait/0", ASKING)
        self._poster = self.connect()
        self._posts = [
            request(f"/publish/{kind}/0", f"Content-Length: {len(EVENT)}").replace(b"GET", b"POST", 1) + EVENT
            for kind in ("events", "wait")
        ]

    def change(self) -> None:
        """See `Side`."""
        for post in self._posts:
            if raw_asgi.held(post.split()[1].decode().removeprefix("/publish/")):
                self._poster.data_received(post)

    def held(self) -> int:
        """See `Side`."""
        return raw_asgi.held("events/0") + raw_asgi.held("wait/0")


class Ours:
    """The service. A change is counted from its notice on, as it comes from the hub."""

    def __init__(self, service: Served) -> None:
        self.connect = service.connect
        self.stream, self.wait = request(f"{service.path}/events", ASKING), request(f"{service.path}?wait=30", ASKING)
        self._watch, self._holding = service.core.watch, service.core.holding
        self._job_id = service.path.rpartition("/")[2]

    def change(self) -> None:
        """See `Side`."""
        topic = self._watch.live(self._job_id)
        assert topic is not None  # noqa: S101 - it was asked for before
        assert topic.snapshot is not None  # noqa: S101 - as above
        job = topic.snapshot.job
        changed = replace(job, version=job.version + 1, updated_at=datetime.now(UTC))
        self._watch.notice(Notice.decode(Notice.of(changed).encode()))

    def held(self) -> int:
        """See `Side`."""
        return self._holding.waits + self._holding.streams


class Opening:
    """Streams that are opened, each up to its first event, on connections that are new."""

    def __init__(self, side: Side) -> None:
        self._side = side

    async def __call__(self) -> float:
        """Open some, and close them: microseconds that each took to open."""
        began = time.thread_time()
        opened = [self._side.connect() for _ in range(OPENED)]
        for connection in opened:
            connection.data_received(self._side.stream)
        await _until(lambda: all(b"event: job" in _socket_of(one).last for one in opened))
        took = time.thread_time() - began
        await _close(self._side, opened)
        return took / OPENED * 1e6


class FanOut:
    """Changes of a job that many streams follow."""

    def __init__(self, side: Side) -> None:
        self._side = side

    async def __call__(self) -> float:
        """Make some: microseconds that each took for each stream."""
        streams = await _hold(self._side, self._side.stream, STREAMS)
        began = time.thread_time()
        for _ in range(CHANGES):
            await _change(self._side, streams)
        took = time.thread_time() - began
        await _close(self._side, streams)
        return took / CHANGES / STREAMS * 1e6


class Waking:
    """Changes of a job that many wait for, each of whom asks again on the same connection."""

    def __init__(self, side: Side) -> None:
        self._side = side

    async def __call__(self) -> float:
        """Make some: microseconds that each took for each who waits, until all wait again."""
        side = self._side
        waiters = await _hold(side, side.wait, WAITERS)
        began = time.thread_time()
        for _ in range(CHANGES):
            await _change(side, waiters)
            for connection in waiters:
                connection.data_received(side.wait)
            await _until(lambda: side.held() == WAITERS)
        took = time.thread_time() - began
        await _close(side, waiters)
        return took / CHANGES / WAITERS * 1e6


KINDS = {"a stream opened": Opening, "an event at a stream": FanOut, "a waiter woken": Waking}


async def _hold(side: Side, asking: bytes, count: int) -> Connections:
    opened = [side.connect() for _ in range(count)]
    for connection in opened:
        connection.data_received(asking)
    await _until(lambda: side.held() == count)
    return opened


async def _change(side: Side, held: Connections) -> None:
    sockets = [_socket_of(one) for one in held]
    for one in sockets:
        one.last = b""
    side.change()
    await _until(lambda: all(one.last for one in sockets))


async def _close(side: Side, opened: Connections) -> None:
    for connection in opened:
        connection.connection_lost(None)
    await _until(lambda: side.held() == 0)
    await asyncio.sleep(0)


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - turns of the loop are what is measured
        await asyncio.sleep(0)


def _socket_of(connection: asyncio.Protocol) -> NoSocket:
    return cast("NoSocket", cast("Any", connection).transport)


async def measure(turns: int, profiled: str) -> None:
    """Print what each takes beside plain ASGI; of one, where the time goes."""
    async with served() as service:
        sides: dict[str, Side] = {"plain": Plain(), "ours": Ours(service)}
        for side in sides.values():
            await Opening(side)()
        gc.freeze()
        print(f"{'':24}{'plain, µs':>10}{'ours, µs':>10}{'ratio':>8}")
        for name, kind in KINDS.items():
            if profiled and profiled not in name:
                continue
            least = dict.fromkeys(sides, float("inf"))
            for _ in range(turns):
                for called, side in sides.items():
                    least[called] = min(least[called], await kind(side)())
            print(f"{name:24}{least['plain']:10.2f}{least['ours']:10.2f}{least['ours'] / least['plain']:8.2f}")
            if profiled:
                await profile(kind(sides["ours"]), PROFILED)


if __name__ == "__main__":
    logs.configure("json", "warning")
    gc.set_threshold(*COLLECTED_AFTER)
    uvloop.run(measure(int(os.environ["TURNS"]), os.environ.get("PROFILED", "")))
