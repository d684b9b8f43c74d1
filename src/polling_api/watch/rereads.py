"""Reads of jobs of which somebody knows more than is known here: the primary is asked, for all who say so together."""

import asyncio
from collections.abc import Callable

from polling_api.watch.loading import Loading
from polling_api.watch.topic import Topic

REREAD_AT_MOST_EVERY = 1.0  # seconds, for each job: who makes versions up must not make us ask for each of them


class Rereads:
    """Reads topics anew, each at most once a second.

    Args:
        loading: reads them.
        clock: monotonic seconds.
    """

    def __init__(self, loading: Loading, clock: Callable[[], float]) -> None:
        self._loading = loading
        self._clock = clock
        self._under_way: set[asyncio.Task[Topic | None]] = set()

    def next(self, topic: Topic) -> asyncio.Task[Topic | None]:
        """The next read of a topic, which all share who ask for one before it begins."""
        if topic.reread is None:
            topic.reread = asyncio.create_task(self._read(topic))
            self._under_way.add(topic.reread)
            topic.reread.add_done_callback(self._ended)
        return topic.reread

    def _ended(self, reread: asyncio.Task[Topic | None]) -> None:
        self._under_way.discard(reread)
        if not reread.cancelled():
            reread.exception()  # for those who wait; nobody may, and then comparison makes up for it

    async def _read(self, topic: Topic) -> Topic | None:
        await asyncio.sleep(topic.reread_at + REREAD_AT_MOST_EVERY - self._clock())
        topic.reread, topic.reread_at = None, self._clock()  # who asks from now on needs the next one
        return await self._loading.load(topic.job_id, fresh=True)
