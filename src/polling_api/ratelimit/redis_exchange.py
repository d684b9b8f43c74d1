"""What all processes share, in one Redis (6.2 or later)."""

import asyncio
import secrets
from typing import Any

from msgspec import msgpack
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from polling_api.ratelimit.exchange import PREFIX, Notice, Offer, Reply

BORN = f"{PREFIX}:born"
BOARD = (f"{PREFIX}:blocks", f"{PREFIX}:blocks:changes", f"{PREFIX}:blocks:serial")

_ROWS_A_SCRIPT = 250  # some 1 ms of Redis's only thread
_MOST_NOTICES = 20_000  # on the board, some 3 MB; the oldest changes are forgotten
_NEWS_A_CALL = 500
_BOARD_LIFE = 3 * 86_400  # seconds; a block is at most a day long, and forgotten a day after

# One argument holds all words of all rows: as arguments of their own each would cost a microsecond here.
_SWAP = """
local words, replies = cmsgpack.unpack(ARGV[1]), {}
for i = 1, #words, 4 do
  local key, field, value = words[i], words[i + 1], words[i + 2]
  if value ~= '' then
    redis.call('HSET', key, field, value)
    redis.call('EXPIRE', key, words[i + 3])
  end
  local said, others = redis.call('HGETALL', key), {}
  for j = 1, #said, 2 do
    if said[j] ~= field then others[#others + 1] = said[j + 1] end
  end
  replies[#replies + 1] = others
end
return replies
"""

# A record is `began text`. Each change gets the next number, by which readers ask for what is new.
_POST = """
local since, most, news_most, life = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local function began(record) return tonumber(string.match(record, '^%S+')) or 0 end
for i = 5, #ARGV, 2 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if not known or began(ARGV[i + 1]) > began(known) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[3]), ARGV[i])
  end
end
if #ARGV > 4 then
  for _, old in ipairs(redis.call('ZRANGE', KEYS[2], 0, -(most + 1))) do
    redis.call('HDEL', KEYS[1], old)
    redis.call('ZREM', KEYS[2], old)
  end
  for i = 1, 3 do redis.call('EXPIRE', KEYS[i], life) end
end
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. since, '+inf', 'WITHSCORES', 'LIMIT', 0, news_most)
local news = {}
for i = 1, #found, 2 do
  news[#news + 1] = {found[i], found[i + 1], redis.call('HGET', KEYS[1], found[i]) or ''}
end
return news
"""


class RedisExchange:
    """One process's connection, used by one call at a time.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        timeout: seconds for one answer; redis-py's own retries are off, since they turn 0.25 s into 25.
    """

    def __init__(self, url: str, *, timeout: float) -> None:
        pool: BlockingConnectionPool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            max_connections=2,  # the call, and a spare while a broken one is closed
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._redis = Redis(connection_pool=pool)
        self._timeout = timeout

    async def swap(self, offer: Offer) -> Reply:
        """Say and hear, in one pipeline.

        Raises:
            ConnectionError: Redis did not answer in time; some or all of it may have been said.
        """
        pipeline: Any = self._redis.pipeline(transaction=False)
        pipeline.set(BORN, secrets.token_hex(8), nx=True)  # another each time, or an emptied Redis would look the same
        pipeline.get(BORN)
        pipeline.eval(_POST, len(BOARD), *BOARD, *_posted(offer))
        for start in range(0, len(offer.rows), _ROWS_A_SCRIPT):
            rows = offer.rows[start : start + _ROWS_A_SCRIPT]
            pipeline.eval(_SWAP, 1, BORN, msgpack.encode([word for row in rows for word in row]))
        try:
            # The pool, the connect and the answer each have a timeout; their sum needs one too.
            async with asyncio.timeout(2 * self._timeout):
                _, born, news, *tables = await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        notices = [_notice(name, record) for name, _, record in news]
        since = max((int(float(serial)) for _, serial, _ in news), default=offer.since)
        return Reply([others for part in tables for others in part], notices, since, str(born))

    async def close(self) -> None:
        """Close the pool."""
        await self._redis.aclose(close_connection_pool=True)


def _posted(offer: Offer) -> list[str | int]:
    records = [word for one in offer.notices for word in (one.name, f"{one.began:.6f} {one.text}")]
    return [offer.since, _MOST_NOTICES, _NEWS_A_CALL, _BOARD_LIFE, *records]


def _notice(name: str, record: str) -> Notice:
    began, _, text = record.partition(" ")
    try:
        return Notice(name, float(began), text)
    except ValueError:  # somebody else's hand in our Redis
        return Notice(name, 0.0, "")
