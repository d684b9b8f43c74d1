"""Notices over Redis pub/sub: a few fixed channels, one connection to listen, a small pool to publish."""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any, Protocol
from zlib import crc32

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from polling_api.hub.notice import Notice
from polling_api.hub.transport import Listener, tell
from polling_api.resilience.redis_pool import redis_pool

# Fixed channels, all subscribed at start: no command for a job that somebody begins to watch, and with sharded
# pub/sub (Redis 7) or a cluster the load still spreads.
CHANNELS = tuple(f"polling:jobs:{number:02d}" for number in range(64))

PING_AFTER = 1.0  # seconds of silence; a dead peer raises nothing by itself
PONG_WITHIN = 1.0  # seconds; together below the 3 s in which a lost notice is made up for anyway
RECONNECT_FIRST, RECONNECT_MOST = 0.05, 2.0  # seconds between tries, doubling, jittered

_log = structlog.get_logger(__name__)


def channel_of(job_id: str) -> str:
    """The channel on which a job's notices are published."""
    return CHANNELS[crc32(job_id.encode()) % len(CHANNELS)]


class Keeping(Protocol):
    """Keeps in the same Redis what is published, for who asks later."""

    def commands_of(self, notices: Sequence[Notice]) -> Sequence[Sequence[str | bytes | int]]:
        """What to send before some notices."""
        ...

    def told(self, answer: Sequence[Any], heard_at: float) -> object:
        """Hear the answer to one of the commands, at `heard_at` monotonic seconds."""
        ...


class RedisTransport:
    """Pub/sub over one Redis.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        timeout: seconds for one command.
        keeping: what is published is kept as well, in the same round trip; whether that succeeds changes nothing else.
    """

    def __init__(self, url: str, *, timeout: float, keeping: Keeping | None = None) -> None:
        # Four connections: publishing is one pipeline at a time, health checks and a spare beside it.
        pool = redis_pool(url, most=4, timeout=timeout)
        self._redis = Redis(connection_pool=pool)
        self._timeout = timeout
        self._keeping = keeping
        self._listening = False

    @property
    def listening(self) -> bool:
        """Whether messages are being heard now."""
        return self._listening

    async def ping(self) -> None:
        """Raise `ConnectionError` unless Redis answers in time."""
        try:
            await asyncio.wait_for(self._redis.ping(), self._timeout)  # pyright: ignore[reportUnknownMemberType, reportArgumentType]
        except (RedisError, OSError, TimeoutError) as error:
            raise ConnectionError(str(error)) from error

    async def publish(self, notices: Sequence[Notice]) -> None:
        """Send notices in one pipeline.

        Raises:
            ConnectionError: none, some or all of them may have been sent.
        """
        pipeline: Any = self._redis.pipeline(transaction=False)
        kept = self._keeping.commands_of(notices) if self._keeping else ()
        for command in kept:
            pipeline.execute_command(*command)
        for notice in notices:
            pipeline.publish(channel_of(notice.job_id), notice.encode())
        try:
            # The pool, the connect and the command each have a timeout; their sum needs one too.
            async with asyncio.timeout(2 * self._timeout):
                answers: list[Any] = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError, TimeoutError) as error:
            raise ConnectionError(str(error)) from error
        for answer in answers[: len(kept)]:
            self._hear(answer)
        for answer in answers[len(kept) :]:
            if isinstance(answer, Exception):
                raise ConnectionError(str(answer)) from answer

    async def listen(self, listener: Listener) -> None:
        """Tell `listener` all that comes, until cancelled."""
        pause, heard = RECONNECT_FIRST, True
        while True:
            try:
                await self._session(listener)
            except (RedisError, OSError, TimeoutError) as error:
                if self._listening:
                    pause, heard = RECONNECT_FIRST, True
                if heard:  # once, also where Redis was not there at the start
                    _log.warning("hub lost", reason=str(error) or type(error).__name__)
                heard = False
            finally:
                self._listening = False
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
            pause = min(2 * pause, RECONNECT_MOST)

    async def close(self) -> None:
        """Close the pool."""
        await self._redis.aclose(close_connection_pool=True)

    def _hear(self, answer: Any) -> None:
        if isinstance(answer, Exception):  # as of a Redis that is full
            _log.warning("published versions not kept", reason=str(answer))
        elif self._keeping:
            self._keeping.told(answer, time.monotonic())

    async def _session(self, listener: Listener) -> None:
        pubsub: Any  # redis-py types its messages as unknown
        async with self._redis.pubsub() as pubsub:  # pyright: ignore[reportUnknownMemberType]
            async with asyncio.timeout(2 * self._timeout):
                await pubsub.subscribe(*CHANNELS)
            confirmed = 0
            while True:
                message = await _next(pubsub)
                if message["type"] == "message":
                    tell(listener, message["data"])
                elif message["type"] == "subscribe":
                    confirmed += 1
                    # Only now is everything heard. Another round means that redis-py reconnected unasked.
                    if confirmed % len(CHANNELS) == 0:
                        self._listening = True
                        listener.gap()


async def _next(pubsub: Any) -> dict[str, Any]:
    """The next message, asking the peer for a sign of life after a silence."""
    message = await pubsub.get_message(timeout=PING_AFTER)
    if message is None:
        async with asyncio.timeout(PONG_WITHIN):
            await pubsub.ping()
        message = await pubsub.get_message(timeout=PONG_WITHIN)
    if message is None:
        raise TimeoutError("no sign of life")
    return message
