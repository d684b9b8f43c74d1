"""Nonces in Redis: one command for each, and one write for all that come while another is under way."""

import asyncio
from collections import deque
from collections.abc import Sequence

from redis.exceptions import RedisError

from polling_api.resilience.redis_pool import redis_pool
from polling_api.signing.nonces.protocol import KEPT

TIMEOUT = 0.02  # seconds for a whole call: it is the one that a signed request has to wait for
MOST_AT_ONCE = 100  # nonces in one write, some 10 KiB; Redis answers them in less than a millisecond
MOST_WAITING = 1_000  # what cannot be answered within a call's time need not be asked

_PREFIX = b"polling:nonce:"
# `SET key "" NX EX 600` as it goes over the wire. redis-py's own command costs 200 µs, most of it around the socket;
# so many in one write cost 20 each.
_COMMAND = b"*6\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$0\r\n\r\n$2\r\nNX\r\n$2\r\nEX\r\n$%d\r\n%d\r\n"

_Waiting = tuple[bytes, "asyncio.Future[bool]"]


class RedisNonceStore:
    """Keeps nonces in one Redis, over one connection.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        timeout: seconds for one call, whatever of it takes long: its turn, connecting, the answer.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        self._pool = redis_pool(url, most=1, timeout=timeout)
        self._timeout = timeout
        self._waiting: deque[_Waiting] = deque()
        self._sending: asyncio.Task[None] | None = None

    async def add(self, digest: bytes) -> bool:
        """Keep a nonce, if it is not kept already.

        Raises:
            ConnectionError: there was no answer in time.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise ConnectionError("Too many nonces wait for Redis.")
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((digest, answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError as error:
            raise ConnectionError("Redis did not answer in time.") from error

    async def close(self) -> None:
        """Close the connection; whoever waits gets no answer."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
        await self._pool.disconnect()

    async def _send(self) -> None:
        """Send what waits until nothing does."""
        try:
            while self._waiting:
                together = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
                await self._answer([waiting for waiting in together if not waiting[1].done()])
        finally:
            self._sending = None

    async def _answer(self, together: Sequence[_Waiting]) -> None:
        if not together:
            return
        try:
            async with asyncio.timeout(self._timeout):
                replies = await self._exchange([digest for digest, _ in together])
        except (RedisError, OSError, TimeoutError) as error:
            for _, answer in together:
                if not answer.done():
                    answer.set_exception(ConnectionError(str(error) or type(error).__name__))
        else:
            for (_, answer), reply in zip(together, replies, strict=True):
                if not answer.done():
                    answer.set_result(reply is not None)

    async def _exchange(self, digests: Sequence[bytes]) -> list[object]:
        connection = await self._pool.get_connection()  # pyright: ignore[reportUnknownMemberType]
        try:
            await connection.send_packed_command(b"".join(map(_command, digests)), check_health=False)
            return [await connection.read_response() for _ in digests]
        except BaseException:
            # Answers that are still to come would be taken for those to the next ones.
            await connection.disconnect(nowait=True)
            raise
        finally:
            await self._pool.release(connection)


def _command(digest: bytes) -> bytes:
    key, kept = _PREFIX + digest, b"%d" % KEPT
    return _COMMAND % (len(key), key, len(kept), KEPT)
