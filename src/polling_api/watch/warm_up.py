"""What is unfinished, read ahead of whoever asks: into memory at start, and into Redis when it has been emptied."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog

from polling_api import metrics
from polling_api.domain.job import Job
from polling_api.errors import Unavailable
from polling_api.hub import Notice
from polling_api.watch.status_watch import StatusWatch

PAGE = 200  # jobs in a statement: some 3 ms of the event loop
PAUSE = 0.01  # seconds between two pages: requests come first
MOST_FILLED = 100_000  # jobs read for Redis, some 100 MB there; sweeps write the rest
LOOK_EVERY = 5.0  # seconds between two looks whether Redis was emptied, which drops no connection
ASK_AGAIN_AFTER = 1.0  # seconds, while the primary is away

_log = structlog.get_logger(__name__)


class Page(Protocol):
    """Some jobs, and where the next page begins; None where this was the last one."""

    @property
    def jobs(self) -> Sequence[Job]:
        """The jobs."""
        ...

    @property
    def stop(self) -> Any:
        """The place, to be given back as it is."""
        ...


class UnfinishedSource(Protocol):
    """The primary."""

    async def unfinished(self, *, after: Any, limit: int) -> Page:
        """Some unfinished jobs; raises `polling_api.errors.Unavailable`."""
        ...


class Fillable(Protocol):
    """What all processes share."""

    async def claim_filling(self) -> bool:
        """Whether it is empty, and this process is the one to fill it."""
        ...

    async def filled(self) -> None:
        """Note that it is."""
        ...

    def offer(self, jobs: Sequence[Job], seen_at: float) -> None:
        """Tell what the primary said when it was asked at `seen_at`."""
        ...


class WarmUp:
    """Goes through all unfinished jobs in the background: nobody waits for it, readiness neither.

    One process fills an empty Redis, whoever notices first: at start, when notices are heard again, or at the next
    look. If it dies over it, sweeps and comparisons fill it by and by.

    Args:
        source: the primary.
        watch: gets snapshots at start.
        cache: gets what it lacks.
        most: jobs kept in memory; 0 reads none ahead.
        look_every: seconds between two looks whether Redis was emptied.
        ask_again_after: seconds between two tries while the primary is away.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        source: UnfinishedSource,
        watch: StatusWatch,
        cache: Fillable,
        *,
        most: int,
        look_every: float = LOOK_EVERY,
        ask_again_after: float = ASK_AGAIN_AFTER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._watch = watch
        self._cache = cache
        self._most = most
        self._look_every = look_every
        self._ask_again_after = ask_again_after
        self._clock = clock
        self._look = asyncio.Event()

    def notice(self, notice: Notice) -> None:
        """Nothing to do with."""

    def gap(self) -> None:
        """Redis may be another one, or empty: look now."""
        self._look.set()

    async def run(self) -> None:
        """Warm memory once, and Redis whenever it is empty, until cancelled."""
        memory = self._most
        while True:
            self._look.clear()
            fills = await self._cache.claim_filling()
            if fills or memory:
                with metrics.WARM_UPS.time():
                    await self._go_through(memory, fills=fills)
                memory = 0
            if fills:
                await self._cache.filled()
            try:
                async with asyncio.timeout(self._look_every):
                    await self._look.wait()
            except TimeoutError:
                pass

    async def _go_through(self, memory: int, *, fills: bool) -> None:
        most = max(memory, MOST_FILLED if fills else 0)
        place: Any = None
        read = 0
        while read < most:
            asked_at = self._clock()
            try:
                page = await self._source.unfinished(after=place, limit=PAGE)
            except Unavailable as error:
                _log.warning("warm-up waits for the primary", reason=error.detail)
                await asyncio.sleep(self._ask_again_after)
                continue
            if read < memory and not self._watch.warm(page.jobs[: memory - read], asked_at):
                memory = 0
            self._cache.offer(page.jobs, asked_at)
            metrics.warmed("redis").inc(len(page.jobs))
            read, place = read + len(page.jobs), page.stop
            if place is None or (not fills and read >= memory):
                break
            await asyncio.sleep(PAUSE)
        _log.info("warmed", jobs=read, filled=fills)
