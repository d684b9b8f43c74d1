"""Brings what the processes know together, in the background.

A round is one pipelined call, 50 ms after the one before. What one process counts is told in its next round, and heard
by another in the one after: so all know it within two rounds, 100 ms and the time of the calls, and a limit is overshot
by at most what arrives in that time. Without Redis each process goes on alone; afterwards each says the whole of its
part again, so that the counts are what they would have been.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

import structlog

from polling_api import metrics
from polling_api.ratelimit.exchange import Exchange, Notice, Offer, Others, Page
from polling_api.resilience.backoff import full_jitter

EVERY = 0.05  # seconds
LISTEN_EVERY = 0.5  # seconds between rounds with nothing to say: a block elsewhere is heard of within this time
ITEMS_A_ROUND = 500  # some 2 ms of the event loop; when more waits, the next round follows at once
PAUSE_FIRST, PAUSE_MOST = 0.1, 1.0  # seconds between tries while the exchange fails

_log = structlog.get_logger(__name__)


class Part(Protocol):
    """Something of which each process says its own part."""

    @property
    def waiting(self) -> int:
        """How many items have something to say."""
        ...

    def offers(self, most: int, now: float) -> list[Page]:
        """What to say now, of at most `most` items; answered by `heard`, if it is anything, or by `unheard`."""
        ...

    def heard(self, others: Sequence[Others], now: float) -> None:
        """What the others say, for each page that was offered."""
        ...

    def unheard(self) -> None:
        """What was offered may not have come through."""
        ...

    def repeat(self) -> None:
        """What was said is lost: say all of it again."""
        ...


class Board(Protocol):
    """Notices that every process shall know."""

    def post(self) -> list[Notice]:
        """Those to be put up; answered by one call of `read` or `unposted`."""
        ...

    def read(self, notices: Sequence[Notice], now: float) -> None:
        """Those that are new."""
        ...

    def unposted(self) -> None:
        """What was to be put up may not be there."""
        ...

    def post_all(self) -> None:
        """The board is blank: put all up again."""
        ...


class Reconciler:
    """Makes rounds.

    Args:
        exchange: what all processes share.
        parts: what is said there; the first ones are sure of their turn.
        board: what all shall know.
        clock: gives epoch seconds.
        every: seconds between two rounds.
    """

    def __init__(
        self,
        exchange: Exchange,
        parts: Sequence[Part],
        board: Board,
        clock: Callable[[], float],
        every: float = EVERY,
    ) -> None:
        self._exchange = exchange
        self._parts = parts
        self._board = board
        self._clock = clock
        self._every = every
        self._born: str | None = None
        self._since = 0
        self._failures = 0

    @property
    def together(self) -> bool:
        """Whether the last round came through; else this process is limiting alone."""
        return self._born is not None and not self._failures

    async def round(self) -> None:
        """Say what is new, and hear what is new.

        Raises:
            ConnectionError: it may not have come through; it is said again in the next round.
        """
        now = self._clock()
        offered: list[tuple[Part, int]] = []
        pages: list[Page] = []
        budget = ITEMS_A_ROUND
        for part in self._parts:
            waiting = part.waiting
            of_part = part.offers(budget, now)
            offered.append((part, len(of_part)))
            pages += of_part
            budget = max(0, budget - waiting)
        try:
            reply = await self._exchange.swap(Offer(pages, self._board.post(), self._since, now))
        except BaseException:
            self._again()
            raise
        if self._lost(reply.born):
            # The others say their parts again too; until they have, what we know of them is better than what is there.
            self._again()
            return
        start = 0
        for part, count in offered:
            if count:
                part.heard(reply.others[start : start + count], self._clock())
                start += count
        self._board.read(reply.notices, self._clock())
        self._since = reply.since

    async def run(self) -> None:
        """Make rounds until cancelled."""
        heard_at = 0.0
        while True:
            pause = self._every
            if self._waiting() or monotonic() - heard_at >= LISTEN_EVERY:
                heard_at = monotonic()
                pause = await self._try()
            await asyncio.sleep(0 if self._waiting() > ITEMS_A_ROUND and not self._failures else pause)

    async def close(self) -> None:
        """Say what is left, once, and give back connections."""
        try:
            if not self._failures:
                await self.round()
        except ConnectionError:
            pass
        finally:
            await self._exchange.close()

    async def _try(self) -> float:
        """Make a round; seconds to wait before the next."""
        try:
            await self.round()
        except ConnectionError as error:
            if not self._failures:
                _log.warning("limiting alone: counts are not shared", reason=str(error) or type(error).__name__)
            self._failures += 1
            metrics.LIMIT_ROUNDS.labels("failed").inc()
            chance = random.uniform(0.5, 1)  # noqa: S311
            return full_jitter(self._failures, first=PAUSE_FIRST, most=PAUSE_MOST, chance=chance)
        if self._failures:
            _log.info("counts are shared again", failures=self._failures)
        self._failures = 0
        metrics.LIMIT_ROUNDS.labels("done").inc()
        return self._every

    def _waiting(self) -> int:
        return sum(part.waiting for part in self._parts)

    def _again(self) -> None:
        for part in self._parts:
            part.unheard()
        self._board.unposted()

    def _lost(self, born: str) -> bool:
        """Whether the shared memory is another than before; then everything is to be said again."""
        before, self._born = self._born, born
        if before in {None, born}:
            return False
        _log.warning("shared counts were lost, and are told again")
        self._since = 0
        for part in self._parts:
            part.repeat()
        self._board.post_all()
        return True
