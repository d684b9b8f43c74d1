"""Nonces in Redis: one command for each."""

import asyncio

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from polling_api.signing.nonces.protocol import KEPT

TIMEOUT = 0.02  # seconds for the whole call: it is the one that a signed request has to wait for
CONNECTIONS = 16  # an answer takes 0.2 ms; what has to wait for a connection longer than the call may is refused
_PREFIX = b"polling:nonce:"


class RedisNonceStore:
    """Keeps nonces in one Redis.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        timeout: seconds for one call, whatever of it takes long: a connection of the pool, connecting, the answer.
        connections: at most. redis-py's own retries are off, since they turn 0.25 s into 25.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT, connections: int = CONNECTIONS) -> None:
        pool: BlockingConnectionPool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            max_connections=connections,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._redis = Redis(connection_pool=pool)
        self._timeout = timeout

    async def add(self, digest: bytes) -> bool:
        """Keep a nonce, if it is not kept already.

        Raises:
            ConnectionError: there was no answer in time.
        """
        try:
            async with asyncio.timeout(self._timeout):
                kept = await self._redis.set(_PREFIX + digest, b"", nx=True, ex=KEPT)
        except (RedisError, OSError, TimeoutError) as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        return kept is not None

    async def close(self) -> None:
        """Close the pool."""
        await self._redis.aclose(close_connection_pool=True)
