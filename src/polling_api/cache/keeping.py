"""How versions are written to Redis: by a script that keeps the higher one, whatever order writes come in."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from polling_api import metrics
from polling_api.cache.clock import RedisClock
from polling_api.cache.record import GONE, Entry, key_of, record_of
from polling_api.hub import Notice

MOST_AT_ONCE = 200  # in one script: less than a millisecond of Redis's only thread

# What is kept lives for `ttl` from its stamp on, so that a write that was held up (in a queue, a paused process, a
# frozen Redis) is never worth more than it was; one that comes when it would be over anyway does nothing. That of a
# deletion lives for `ttl` from now on: it outlasts every write of a version that was seen before it.
_KEEP = f"""
local time = redis.call('TIME')
local now, ttl = time[1] * 1000 + math.floor(time[2] / 1000), tonumber(ARGV[1])
local told = {{now}}
for i, key in ipairs(KEYS) do
  local record = ARGV[i + 1]
  local version, stamp = string.sub(record, 1, 20), string.sub(record, 22, 34)
  local known = redis.call('GETRANGE', key, 0, 33)
  local known_version = string.sub(known, 1, 20)
  local expires = (version == '{GONE}' and now or tonumber(stamp)) + ttl
  if expires <= now then
    told[i + 1] = 'late'
  elseif known_version > version then
    told[i + 1] = 'older'
  elseif known_version == version then
    if stamp > string.sub(known, 22, 34) then
      redis.call('SETRANGE', key, 21, stamp)
      redis.call('PEXPIREAT', key, expires)
    end
    told[i + 1] = 'renewed'
  elseif #record == 35 and version ~= '{GONE}' then
    told[i + 1] = 'lacking'
  else
    redis.call('SET', key, record, 'PX', expires - now)
    told[i + 1] = 'kept'
  end
end
return told
"""

Command = Sequence[str | bytes | int]


class Outcome(StrEnum):
    """What became of a version that was to be kept."""

    KEPT = "kept"
    RENEWED = "renewed"
    OLDER = "older"  # a higher one was there
    LACKING = "lacking"  # only to be renewed, and not there
    LATE = "late"  # seen too long ago


_OUTCOMES = {outcome.encode(): outcome for outcome in Outcome}


class Keeping:
    """Makes the commands that keep versions, and reads the answers.

    Args:
        ttl: seconds for which a version is kept after it was seen.
        clock: of the Redis that the commands are sent to.
    """

    def __init__(self, ttl: float, clock: RedisClock) -> None:
        self._ttl = round(ttl * 1000)
        self._clock = clock

    def command(self, entries: Sequence[Entry]) -> Command:
        """What keeps at most `MOST_AT_ONCE` versions; none before Redis has told its time, which the answer does."""
        sent = entries if self._clock.known else ()
        keys = [key_of(entry.job_id) for entry in sent]
        records = [record_of(entry, self._clock.at(entry.seen_at)) for entry in sent]
        return ["EVAL", _KEEP, len(keys), *keys, self._ttl, *records]

    def told(self, answer: Sequence[Any], heard_at: float) -> list[Outcome]:
        """What became of the versions, in their order; an empty list where none were sent.

        Args:
            answer: Redis's, to one command.
            heard_at: monotonic seconds, after it came.
        """
        now, *words = answer
        self._clock.learn(int(now), heard_at)
        outcomes = [_OUTCOMES[word] for word in words]
        for outcome, count in Counter(outcomes).items():
            metrics.cache_writes(outcome).inc(count)
        return outcomes

    def commands_of(self, notices: Sequence[Notice]) -> list[Command]:
        """What keeps all that some notices tell, where it is known when it was seen."""
        entries = [Entry.of(notice, notice.seen_at) for notice in notices if notice.seen_at is not None]
        return [self.command(entries[start : start + MOST_AT_ONCE]) for start in range(0, len(entries), MOST_AT_ONCE)]
