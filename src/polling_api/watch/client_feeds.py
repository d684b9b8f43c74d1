"""The feeds of all clients that somebody in this process follows, kept true by notices and by asking the primary."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Protocol

import structlog

from polling_api import metrics
from polling_api.domain.places import Horizon, Moves, Place, Visited, Visits
from polling_api.errors import Unavailable
from polling_api.hub import Notice
from polling_api.resilience.backoff import jittered
from polling_api.resilience.coalesce import ANSWER_WITHIN, MOST_READS, RETRY_AFTER
from polling_api.resilience.news_first import NewsFirst
from polling_api.watch.bounds import Bounds
from polling_api.watch.client_feed import ClientFeed, Joint, Reader
from polling_api.watch.status_watch import Ear

PAGE = 100  # versions or jobs of one client in a statement: some 100 KiB
ASKED_AT_ONCE = 50  # clients in one statement
PAUSE = 0.01  # seconds between two askings: what comes meanwhile goes into the next one together

_log = structlog.get_logger(__name__)


class ReplaySource(Protocol):
    """The primary. Every call has a deadline and raises `polling_api.errors.Unavailable`."""

    async def moves(self, places: Mapping[str, Place | None], *, limit: int) -> Mapping[str, Moves]:
        """What each client's readers have not been told, in pages that lead to one moment."""
        ...

    async def visits(self, client_id: str, since: Horizon, *, after: Visited | None, limit: int) -> Visits:
        """A client's unfinished jobs, as they were at a moment, in pages, the oldest first."""
        ...


class ClientFeeds:
    """One feed for each client that is followed; one that nobody follows is not there, and costs nothing.

    Interest is registered before anything is read, so that no change falls between the two. Notices are hints: all
    feeds are compared with the primary every `compare_every`, or `compare_when_deaf` while no notices are heard, and at
    once after a gap; one is as soon as a notice does not follow on what was told.

    Args:
        source: the primary.
        ear: the hub; its notices and gaps are told to `notice` and `gap`.
        bounds: figures.
        news: has readers told; by default of its own.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        source: ReplaySource,
        ear: Ear,
        bounds: Bounds,
        *,
        news: NewsFirst | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._news = news or NewsFirst()
        self._source = source
        self._ear = ear
        self._bounds = bounds
        self._clock = clock
        self._feeds: dict[str, ClientFeed] = {}
        self._wanted: set[ClientFeed] = set()
        self._wake = asyncio.Event()
        self._compare_at = float("-inf")
        # Who waits to join: in the second those for whom the primary is being asked already.
        self._joining: dict[ClientFeed, list[asyncio.Future[Joint]]] = {}
        self._asked_for: dict[ClientFeed, list[asyncio.Future[Joint]]] = {}
        self._reading = asyncio.Semaphore(MOST_READS)

    def __len__(self) -> int:
        """How many clients are followed now."""
        return len(self._feeds)

    def follow(self, client_id: str, reader: Reader) -> ClientFeed:
        """Tell `reader` from now on when there is more in the client's log."""
        feed = self._feeds.get(client_id)
        if feed is None:
            feed = self._feeds[client_id] = ClientFeed(client_id, self._news)
        feed.readers.add(reader)
        return feed

    def unfollow(self, feed: ClientFeed, reader: Reader) -> None:
        """Free what `follow` holds."""
        feed.readers.discard(reader)
        if not feed.readers and self._feeds.get(feed.client_id) is feed:
            del self._feeds[feed.client_id]
            self._wanted.discard(feed)
            self._joining.pop(feed, None)
            self._asked_for.pop(feed, None)

    async def joint(self, feed: ClientFeed) -> Joint:
        """Ask the primary, for a reader who follows already and wants to go on with the log from there.

        Its horizon is later than the call: it covers all that any node has told to anybody before.

        Raises:
            Unavailable: the primary does not answer.
        """
        waiting: asyncio.Future[Joint] = asyncio.get_running_loop().create_future()
        self._joining.setdefault(feed, []).append(waiting)
        self._want(feed)
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await waiting
        except TimeoutError:
            raise Unavailable("The primary does not answer in time.", retry_after=jittered(RETRY_AFTER)) from None

    async def moves(self, feed: ClientFeed, place: Place) -> Moves:
        """The next page of what a reader lacks who stands at `place`.

        Raises:
            Unavailable: the primary does not answer.
        """
        async with self._reading:
            return (await self._source.moves({feed.client_id: place}, limit=PAGE))[feed.client_id]

    async def visits(self, feed: ClientFeed, since: Horizon, after: Visited | None) -> Visits:
        """The next page of a first visit.

        Raises:
            Unavailable: the primary does not answer.
        """
        async with self._reading:
            return await self._source.visits(feed.client_id, since, after=after, limit=PAGE)

    def notice(self, notice: Notice) -> None:
        """Tell a version that was published, if somebody here follows its client."""
        feed = self._feeds.get(notice.client_id) if notice.client_id is not None else None
        if feed is None:
            return
        try:
            if feed.notice(notice):
                self._want(feed)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # Of another release, or of nobody's: as if it were lost, which comparison makes up for.
            metrics.NOTICES.labels("unreadable").inc()
            _log.warning("a notice that cannot be read", job_id=notice.job_id, reason=repr(error))

    def gap(self) -> None:
        """Notices may have been missed: compare every feed now."""
        self._compare_at = float("-inf")
        self._wake.set()

    async def run(self) -> None:
        """Ask the primary whenever there is reason to, until cancelled."""
        while True:
            await self._until_wanted()
            feeds = self._due()
            try:
                while some := list(islice(feeds, ASKED_AT_ONCE)):
                    await self._ask(some)
            except Unavailable as error:
                _log.warning("clients' jobs cannot be compared", reason=error.detail)
                self._refuse(error)
                await asyncio.sleep(self._bounds.compare_when_deaf)
            await asyncio.sleep(PAUSE)

    def _want(self, feed: ClientFeed) -> None:
        self._wanted.add(feed)
        self._wake.set()

    async def _until_wanted(self) -> None:
        if not self._wanted:
            try:
                async with asyncio.timeout(max(0.0, min(self._compare_at - self._clock(), self._pause))):
                    await self._wake.wait()
            except TimeoutError:
                pass
        self._wake.clear()

    @property
    def _pause(self) -> float:
        return self._bounds.compare_every if self._ear.listening else self._bounds.compare_when_deaf

    def _due(self) -> Iterator[ClientFeed]:
        """The feeds of which the primary has to be asked now: all where it is time, else those with a reason."""
        if self._clock() >= self._compare_at:
            self._compare_at = self._clock() + self._pause
            self._wanted.clear()
            return iter(tuple(self._feeds.values()))
        wanted = tuple(self._wanted)
        self._wanted.clear()
        return iter(wanted)

    async def _ask(self, feeds: Sequence[ClientFeed]) -> None:
        for feed in feeds:
            if not feed.paging and feed in self._joining:  # a further page is of an earlier moment
                self._asked_for[feed] = self._joining.pop(feed)
        further = {feed for feed in feeds if feed.paging}
        pages = await self._source.moves({feed.client_id: feed.asked() for feed in feeds}, limit=PAGE)
        for feed in feeds:
            joint = feed.answered(pages[feed.client_id])
            if joint is not None:
                self._let_join(feed, joint)
            elif not feed.paging and feed in self._asked_for:  # too much came meanwhile: they join the next time
                self._joining.setdefault(feed, []).extend(self._asked_for.pop(feed))
            # What gave reason to ask while further pages were read is of a later moment than theirs.
            if feed.readers and (feed.paging or feed in further or feed in self._joining):
                self._want(feed)

    def _let_join(self, feed: ClientFeed, joint: Joint) -> None:
        for waiting in self._asked_for.pop(feed, ()):
            if not waiting.done():
                waiting.set_result(joint)

    def _refuse(self, error: Unavailable) -> None:
        self._compare_at = float("-inf")  # some may not have been asked: next time all are
        for waiting in chain(*self._joining.values(), *self._asked_for.values()):
            if not waiting.done():
                waiting.set_exception(error)
        self._joining.clear()
        self._asked_for.clear()
