"""Entries are written in groups, and who records one goes on when its group is committed."""

import asyncio
from contextvars import Context
from itertools import islice

import structlog

from polling_api import metrics
from polling_api.audit.sink import Sink
from polling_api.domain.audit import Entry
from polling_api.errors import Unavailable
from polling_api.resilience.backoff import jittered

EVERY = 0.01  # seconds between the starts of two statements: at most 100 commits a second, however much is recorded
MOST_ROWS = 1000  # in a statement: some 20 ms of Postgres's work
MOST_STATEMENTS = 2  # at once: one that hangs does not stop the others, and the pool is for requests
MOST_WAITING = 10_000  # entries, some 10 MiB: what two statements at once write within the time that anybody waits
WITHIN = 2.0  # seconds: a client that waits longer for results has better ask again
RETRY_AFTER = 2  # seconds
ENDING_WITHIN = 1.0  # seconds for the statements under way when the process ends

_log = structlog.get_logger(__name__)


class AuditLog:
    """Writes down what is done before anybody hears of it.

    The first entry after a quiet time goes at once. Those that come while a statement is under way, or within 10 ms of
    the start of one, go together: so a commit, which costs the same for one row as for a hundred, is shared by all
    who wait for it.

    An entry may be kept although its caller was told `Unavailable`: it came too late, or the database's answer was
    lost. Then the log says `allowed` of something that was not sent. That is harmless, where the opposite would not
    be: whatever was sent is in the log.

    Args:
        write: keeps entries for good.
        within: seconds after which nobody waits any longer.
    """

    def __init__(self, write: Sink, *, within: float = WITHIN) -> None:
        self._write = write
        self._within = within
        # In their order, each with what its caller waits for. Whoever gives up takes its entry along.
        self._waiting: dict[asyncio.Future[None], Entry] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0  # on the loop's clock: when the next statement may start

    async def record(self, entry: Entry) -> None:
        """Return once the entry is committed.

        A caller that is cancelled takes its entry along if it is not being written yet; others lose nothing.

        Raises:
            Unavailable: it was not committed in time, or may not have been: what it is about must not be done.
        """
        if len(self._waiting) >= MOST_WAITING:
            metrics.AUDIT_FAILURES.labels("full").inc()
            raise Unavailable("Too much waits to be recorded.", retry_after=jittered(RETRY_AFTER))
        written = asyncio.get_running_loop().create_future()
        self._waiting[written] = entry
        self._told()
        try:
            async with asyncio.timeout(self._within):
                await written
        except TimeoutError:
            metrics.AUDIT_FAILURES.labels("late").inc()
            raise Unavailable("What is done cannot be recorded in time.", retry_after=jittered(RETRY_AFTER)) from None
        finally:
            self._waiting.pop(written, None)
            self._told()

    async def close(self) -> None:
        """Wait a moment for the statements under way: what they write may have been answered for elsewhere."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=ENDING_WITHIN)

    def _told(self) -> None:
        """See to it that what waits goes as soon as it may."""
        metrics.AUDIT_WAITING.set(len(self._waiting))
        if self._waiting and self._timer is None and len(self._under_way) < MOST_STATEMENTS:
            self._timer = asyncio.get_running_loop().call_at(self._next, self._start)

    def _start(self) -> None:
        self._timer = None
        group = {written: self._waiting.pop(written) for written in list(islice(self._waiting, MOST_ROWS))}
        if group:  # else all of them gave up
            self._next = asyncio.get_running_loop().time() + EVERY
            # A task of its own: whoever gives up waiting must not cut off a commit that is everybody's. And a context
            # of its own: what is logged there is not about the request that happened to start it.
            task = asyncio.create_task(self._commit(group), context=Context())
            self._under_way.add(task)
            task.add_done_callback(self._ended)
        self._told()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._told()

    async def _commit(self, group: dict[asyncio.Future[None], Entry]) -> None:
        try:
            with metrics.AUDIT_COMMITS.time():
                await self._write(list(group.values()))
        except Exception as error:  # noqa: BLE001 - told to every caller: what cannot be recorded is not done
            metrics.AUDIT_FAILURES.labels("failed").inc(len(group))
            reported = _log.warning if isinstance(error, Unavailable) else _log.exception
            reported("entries not recorded", count=len(group), reason=str(error))
            for written in group:
                _fail(written, error)
        else:
            metrics.AUDIT_ROWS.labels("single").inc(len(group))
            for written in group:
                if not written.done():
                    written.set_result(None)


def _fail(written: asyncio.Future[None], cause: Exception) -> None:
    if not written.done():
        # One for each: who raises an error adds its own traceback to it.
        error = Unavailable("What is done cannot be recorded now.", retry_after=jittered(RETRY_AFTER))
        error.__cause__ = cause
        written.set_exception(error)
        written.exception()  # whoever waits may be cancelled before it hears: an error nobody hears is no bug here
