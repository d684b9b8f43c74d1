"""Many readers, one read: what is asked for while reads are under way goes into the next one together."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from itertools import islice
from typing import Generic, TypeVar

from prometheus_client import Counter

from polling_api.errors import Unavailable
from polling_api.resilience.backoff import jittered

MOST_IDS = 500  # in one statement: the answer is some 400 KiB
ANSWER_WITHIN = 2.0  # seconds: a frozen primary is given up by the driver only when the statement's own limit is over
RETRY_AFTER = 2  # seconds
MOST_READS = 4  # statements at once: the rest of the pool is for writes
MOST_WAITING = 20_000  # ids: as many as a process holds requests; beyond them a frozen primary would fill the memory

Value = TypeVar("Value")


class CoalescedReads(Generic[Value]):
    """Reads by id, each id once at a time however many ask, many ids in one statement.

    Args:
        read: one bounded read of many ids; absent ids are simply not in its answer.
        counter: counts by `source` who made us read, and who joined a read, `coalesced`.
        source: what is read from, as it is counted.
        answer_within: seconds; nobody waits longer for an answer.
    """

    def __init__(
        self,
        read: Callable[[Collection[str]], Awaitable[Mapping[str, Value]]],
        counter: Counter,
        *,
        source: str = "primary",
        answer_within: float = ANSWER_WITHIN,
    ) -> None:
        self._read = read
        self._counter = counter
        self._source = source
        self._answer_within = answer_within
        self._waiting: dict[str, asyncio.Future[Value | None]] = {}
        self._under_way: dict[str, asyncio.Future[Value | None]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def get(self, item_id: str, *, fresh: bool = False) -> Value | None:
        """The value of one id, or None.

        A reader who joins a read under way may be given a value from shortly before it asked; whoever must not miss
        a change registers its interest first. `fresh` joins no read that has begun, for who knows of a change.

        Raises:
            Unavailable: as the read does, for all who joined it; or it takes longer than anybody should wait for it,
                or too many wait already.
        """
        future = self._waiting.get(item_id)
        if future is None and not fresh:
            future = self._under_way.get(item_id)
        if future is None:
            if len(self._waiting) >= MOST_WAITING:
                raise Unavailable("The primary does not keep up.", retry_after=jittered(RETRY_AFTER))
            if not self._waiting:
                asyncio.get_running_loop().call_soon(self._start)
            future = self._waiting[item_id] = asyncio.get_running_loop().create_future()
            self._counter.labels(self._source).inc()
        else:
            self._counter.labels("coalesced").inc()
        # Shielded: one reader's going away must not take the answer from the others.
        try:
            async with asyncio.timeout(self._answer_within):
                return await asyncio.shield(future)
        except TimeoutError:
            raise Unavailable("The primary does not answer in time.", retry_after=jittered(RETRY_AFTER)) from None

    def _start(self) -> None:
        while self._waiting and len(self._reading) < MOST_READS:
            asked = {item_id: self._waiting.pop(item_id) for item_id in list(islice(self._waiting, MOST_IDS))}
            self._under_way.update(asked)
            task = asyncio.create_task(self._answer(asked))
            self._reading.add(task)
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._reading.discard(task)
        self._start()

    async def _answer(self, asked: dict[str, asyncio.Future[Value | None]]) -> None:
        try:
            found = await self._read(asked.keys())
        except Exception as error:  # noqa: BLE001 - told to every reader, who knows what to do with it
            for future in asked.values():
                _fail(future, error)
        else:
            for item_id, future in asked.items():
                future.set_result(found.get(item_id))
        finally:
            for item_id, future in asked.items():
                if not future.done():  # the read was cancelled, and whoever asks next must not join it
                    _fail(future, Unavailable("The read was broken off.", retry_after=jittered(RETRY_AFTER)))
                if self._under_way.get(item_id) is future:  # else a fresh read of it began meanwhile
                    del self._under_way[item_id]


def _fail(future: "asyncio.Future[Value | None]", error: Exception) -> None:
    future.set_exception(error)
    future.exception()  # all readers may have gone: an error nobody hears is no bug here
