"""The status cache in one Redis (6.2 or later)."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import structlog
from redis.exceptions import RedisError

from polling_api import metrics
from polling_api.cache.keeping import Command, Keeping, Outcome
from polling_api.cache.record import Entry, Found, found_in, key_of
from polling_api.resilience.redis_pool import redis_pool

MOST_CONNECTIONS = 6  # four reads at once, the one writer, and who fills an empty Redis

# Whether this Redis has been filled since it was last empty, and, while somebody is at it, for how long at most.
_FILLED, _FILLING_FOR = "polling:statuses:filled", 60_000  # ms: 100,000 jobs take some ten seconds

_log = structlog.get_logger(__name__)


class RedisStatuses:
    """Reads and writes what is kept. Every call ends within `timeout`, and raises `ConnectionError`.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        keeping: makes what is written.
        timeout: seconds for one call, connecting included.
        clock: monotonic seconds.
    """

    def __init__(
        self, url: str, keeping: Keeping, *, timeout: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = redis_pool(url, most=MOST_CONNECTIONS, timeout=timeout)
        self._keeping = keeping
        self._timeout = timeout
        self._clock = clock

    async def read(self, ids: Collection[str]) -> Mapping[str, Found]:
        """Read what is kept of some jobs, in one round trip."""
        with metrics.cache_seconds("read").time():
            records, (seconds, micros) = await self._ask(["MGET", *map(key_of, ids)], ["TIME"])
        now = int(seconds) * 1000 + int(micros) // 1000
        found: dict[str, Found] = {}
        for job_id, record in zip(ids, records, strict=True):
            if record is None:
                continue
            try:
                found[job_id] = found_in(record, now)
            except ValueError:
                _log.warning("a cached status that cannot be read", job_id=job_id)
        return found

    async def keep(self, entries: Sequence[Entry]) -> list[Outcome]:
        """Write at most `MOST_AT_ONCE` versions; they may be written even where this raises."""
        with metrics.cache_seconds("write").time():
            [answer] = await self._ask(self._keeping.command(entries))
        return self._keeping.told(answer, self._clock())

    async def claim_filling(self) -> bool:
        """Whether nobody has filled this Redis since it was empty, so that the caller is the one who does now."""
        [answer] = await self._ask(["SET", _FILLED, "no", "NX", "PX", _FILLING_FOR])
        return answer is not None

    async def filled(self) -> None:
        """Note that it was filled: what nobody renews from now on may lapse."""
        await self._ask(["SET", _FILLED, "yes"])

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.disconnect()

    async def _ask(self, *commands: Command) -> list[Any]:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exchange(commands)
        except (RedisError, OSError, TimeoutError) as error:
            raise ConnectionError(str(error) or type(error).__name__) from error

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        connection: Any = await self._pool.get_connection()  # pyright: ignore[reportUnknownMemberType]
        try:
            await connection.send_packed_command(b"".join(map(_packed, commands)), check_health=False)
            return [await connection.read_response() for _ in commands]
        except BaseException:
            # Answers that are still to come would be taken for those to the next question.
            await connection.disconnect(nowait=True)
            raise
        finally:
            await self._pool.release(connection)


def _packed(command: Command) -> bytes:
    """A command as it goes over the wire (RESP); by redis-py, this alone costs half of a renewal."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])
