"""One node of the service without its HTTP: a hub and a watch that run."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from in_process.deadlines import eventually
from polling_api.hub import Hub, Transport
from polling_api.watch import Bounds, Source, StatusWatch

# A node whose comparison makes up for nothing while a test runs: what wakes its followers was a notice.
NO_COMPARISON = Bounds(compare_every=600, compare_when_deaf=600, oldest_answer=601)


@dataclass(frozen=True, slots=True)
class Node:
    """What a process of the service is made of."""

    hub: Hub
    watch: StatusWatch


@asynccontextmanager
async def running_node(source: Source, transport: Transport, bounds: Bounds) -> AsyncGenerator[Node]:
    """A node that listens, for as long as the block runs; what fails in it fails the test."""
    hub = Hub(transport)
    watch = StatusWatch(source, hub, bounds)
    hub.join(watch)
    async with running(hub, watch.run):
        yield Node(hub, watch)


@asynccontextmanager
async def running(hub: Hub, *parts: Callable[[], Coroutine[Any, Any, None]]) -> AsyncGenerator[None]:
    """Run a hub and what listens to it, for as long as the block runs; the hub is listening, and closed at the end."""
    tasks = [asyncio.create_task(part()) for part in (hub.run, *parts)]
    try:
        await eventually(lambda: hub.listening)
        yield
        assert [task for task in tasks if task.done()] == []
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await hub.close()
