"""What carries notices, twice: a Redis of the test's own, and the bus that is its twin."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any, Protocol

from redis.asyncio import Redis

from in_process.deadlines import eventually
from polling_api.embedded import Server, start_redis
from polling_api.hub import LocalBus, LocalTransport, RedisTransport, Transport
from polling_api.hub.redis import CHANNELS

REDIS_TIMEOUT = 0.25  # seconds, as in production


class Carrier(Protocol):
    """Carries notices between transports, and can be made to fail."""

    def transport(self) -> Transport:
        """A further process's connection."""
        ...

    async def say(self, message: bytes) -> None:
        """Put any bytes on the wire."""
        ...

    async def go_down(self) -> None:
        """Be gone, with all that is under way."""
        ...

    async def come_back(self) -> None:
        """Be there again, at the same address, knowing nothing."""
        ...

    def stop(self) -> None:
        """End."""
        ...


class LocalCarrier:
    """The in-process bus."""

    def __init__(self) -> None:
        self._bus = LocalBus()

    def transport(self) -> Transport:
        return LocalTransport(self._bus)

    async def say(self, message: bytes) -> None:
        self._bus.carry(message)

    async def go_down(self) -> None:
        self._bus.go_down()

    async def come_back(self) -> None:
        self._bus.come_back()

    def stop(self) -> None:
        self._bus.go_down()


class RedisCarrier:
    """A real server, which can be killed and frozen too."""

    def __init__(self, folder: Path) -> None:
        self.server: Server = start_redis(folder)

    def transport(self) -> RedisTransport:
        return RedisTransport(self.server.url, timeout=REDIS_TIMEOUT)

    def client(self) -> Any:  # its commands have no types worth the name
        """A plain client, to look at the server from outside."""
        return Redis.from_url(self.server.url)  # pyright: ignore[reportUnknownMemberType]

    async def say(self, message: bytes) -> None:
        async with self.client() as redis:
            await redis.publish(CHANNELS[0], message)

    async def go_down(self) -> None:
        os.kill(self.server.pid, signal.SIGKILL)
        await eventually(lambda: not self.server.alive)

    async def come_back(self) -> None:
        await asyncio.to_thread(self.server.restart)

    def freeze(self) -> None:
        """Answer nothing, with every connection left open."""
        os.kill(self.server.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        os.kill(self.server.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self.server.alive:
            self.thaw()
        self.server.stop()
