"""Connections to a Redis on which no call takes longer, or is made more often, than whoever makes it says."""

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig


def redis_pool(url: str, *, most: int, timeout: float) -> BlockingConnectionPool:
    """A bounded pool; nothing is opened yet.

    redis-py's own retries are off: they turn 0.25 s into 25. Each call needs a timeout for the whole of it, since that
    of a socket has redis-py send within `asyncio.wait_for`, which on Python 3.11 swallows a cancellation that comes
    as it ends, so that a part that is told to stop would go on.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        most: connections; whoever needs one more waits.
        timeout: seconds to wait for one, and to connect.
    """
    return BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
        url,
        max_connections=most,
        timeout=timeout,
        socket_timeout=None,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
