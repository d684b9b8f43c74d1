"""What all processes share, in one Redis (6.2 or later)."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

from msgspec import MsgspecError, msgpack
from redis.asyncio import Redis
from redis.exceptions import RedisError

from polling_api.ratelimit.exchange import PREFIX, Notice, Offer, Others, Page, Reply
from polling_api.ratelimit.swap import SWAP
from polling_api.resilience.redis_pool import redis_pool

BORN = f"{PREFIX}:born"
PROCESSES = f"{PREFIX}:processes"
BOARD = (f"{PREFIX}:blocks", f"{PREFIX}:blocks:changes", f"{PREFIX}:blocks:serial")

MOST_PROCESSES = 32  # that are heard, dead ones too; of more, those that spoke last. Each is a look-up for each name
_HEARD_OF_FOR = 7300  # seconds after a process spoke last: what it counted in an hour still matters in the next
_ENTERED_EVERY = 5  # seconds between two entries of a process that goes on speaking
_CLOCKS_DIFFER = 5  # seconds at most
MOST_NAMES = 50_000  # on a page, some 8 MB, as many as a process remembers; a page that is full is begun anew
_MOST_NOTICES = 20_000  # on the board, some 3 MB; the oldest changes are forgotten
_NEWS_A_CALL = 500
_BOARD_LIFE = 3 * 86_400  # seconds; a block is at most a day long, and forgotten a day after

Found = tuple[int, str, list[int | str]]  # a page, a process, and of what it has the places among those asked for
News = tuple[str, str, str]
_REPLY = msgpack.Decoder(tuple[str, list[News], list[Found]])


class RedisExchange:
    """One process's connection, used by one call at a time.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        process: a name for this process that no other has, nor had before; who only reads the board has none.
        timeout: seconds for one answer.
    """

    def __init__(self, url: str, process: str = "", *, timeout: float) -> None:
        # The call, and a spare while a broken one is closed.
        pool = redis_pool(url, most=2, timeout=timeout)
        self._redis = Redis(connection_pool=pool)
        self._process = process
        self._timeout = timeout

    async def swap(self, offer: Offer) -> Reply:
        """Say and hear, in one command. How many it is to Redis depends on the pages and processes alone.

        Raises:
            ConnectionError: Redis did not answer in time; some or all of it may have been said.
        """
        command: Any = self._redis.eval(SWAP, 2 + len(BOARD), BORN, PROCESSES, *BOARD, self._argument(offer))
        try:
            # The pool, the connect and the answer each have a timeout; their sum needs one too.
            async with asyncio.timeout(2 * self._timeout):
                born, news, found = _REPLY.decode(await command)
        except (RedisError, OSError, TimeoutError, MsgspecError) as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        notices = [_notice(name, record) for name, _, record in news]
        since = max((int(float(serial)) for _, serial, _ in news), default=offer.since)
        return Reply(_others(offer.pages, found), notices, since, born)

    async def close(self) -> None:
        """Close the pool."""
        await self._redis.aclose(close_connection_pool=True)

    def _argument(self, offer: Offer) -> bytes:
        """All that is said and asked: as arguments of their own each word would cost a microsecond here."""
        return msgpack.encode(
            {
                "born": secrets.token_hex(8),  # another each time, or an emptied Redis would look the same
                "process": self._process,
                "now": int(offer.at),
                "entered_every": _ENTERED_EVERY,
                "heard_of_for": _HEARD_OF_FOR,
                "most_processes": MOST_PROCESSES,
                "most_names": MOST_NAMES,
                "pages": [
                    (key, int(begins) - _ENTERED_EVERY - _CLOCKS_DIFFER, life, said, asked)
                    for key, begins, life, said, asked in offer.pages
                ],
                "notices": [(one.name, f"{one.began:.6f} {one.text}") for one in offer.notices],
                "since": offer.since,
                "most_notices": _MOST_NOTICES,
                "most_news": _NEWS_A_CALL,
                "board_life": _BOARD_LIFE,
            }
        )


def _others(pages: Sequence[Page], found: Sequence[Found]) -> Sequence[Others]:
    others: list[dict[str, dict[str, str]]] = [{} for _ in pages]
    for number, process, values in found:
        asked, heard = pages[number - 1].asked, others[number - 1]
        for place, value in zip(values[::2], values[1::2], strict=True):
            heard.setdefault(asked[int(place) - 1], {})[process] = str(value)
    return others


def _notice(name: str, record: str) -> Notice:
    began, _, text = record.partition(" ")
    try:
        return Notice(name, float(began), text)
    except ValueError:  # somebody else's hand in our Redis
        return Notice(name, 0.0, "")
