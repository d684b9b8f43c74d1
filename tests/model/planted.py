"""Mistakes that such a service is easily made with, each in the place of one part: the model has to find them all."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from model.postgres import following
from model.redis import Record, Redis
from polling_api.cache.keeping import Outcome
from polling_api.domain.job import Job
from polling_api.domain.places import Horizon, Moves, Place
from polling_api.hub import Notice
from polling_api.monitor.ledger import Ledger
from polling_api.monitor.tenure import Tenure
from polling_api.replicas import Beats, Extent
from polling_api.representation import Snapshot
from polling_api.store.changes import Change
from polling_api.watch import ClientFeeds, Follower, ReplaySource, StatusWatch, Topic
from polling_api.watch.loading import Sees, anybody


class PublishesFirst(Ledger):
    """Publishes before it commits: a message is told of what never comes to be, where the commit fails."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._present: dict[str, Job] = {}

    async def claim(self, limit: int) -> list[Tenure]:
        """As the ledger does."""
        tenures = await super().claim(limit)
        self._present = {tenure.job_id: tenure.claimed.job for tenure in tenures}
        return tenures

    async def _save(self, changes: Sequence[Change]) -> dict[str, Job]:
        proposed = [following(self._present[one.job_id], one.transition) for one in changes]
        await self._publish(proposed, self._clock())
        saved = await super()._save(changes)
        self._present |= saved
        return saved


class ReadsFirst(StatusWatch):
    """Reads, and then registers: what is told between the two is told to nobody."""

    async def follow_all(self, ids: Collection[str], follower: Follower, sees: Sees = anybody) -> dict[str, Topic]:
        """As the watch does, the other way round."""
        read = await self._source.read([job_id for job_id in ids if self.live(job_id) is None])
        for job in read.values():
            self._topics.confirm(self._topics.of(job.id, self._clock()), job, self._clock())
        return await super().follow_all(ids, follower, sees)


class FollowsTheFirst(StatusWatch):
    """Of many jobs that are followed together, tells of the first."""

    async def follow_all(self, ids: Collection[str], follower: Follower, sees: Sees = anybody) -> dict[str, Topic]:
        """As the watch does, and lets go of the others."""
        topics = await super().follow_all(ids, follower, sees)
        for topic in list(topics.values())[1:]:
            self.unfollow(topic, follower)
        return topics


class HearsNoGap(StatusWatch):
    """Goes on after a gap as if nothing had been missed."""

    def gap(self) -> None:
        """Do nothing."""


class NeverCompares(StatusWatch):
    """Relies on notices alone, of which one may get lost."""

    async def run(self) -> None:
        """Drop what nobody uses, and do nothing else."""
        while True:
            self._topics.drop_unused(self._clock() - self._bounds.idle)
            await asyncio.sleep(self._bounds.compare_every)


class ForgetsThePast(StatusWatch):
    """Takes what it has heard of a job for all that there was."""

    async def complete(self, topic: Topic) -> None:
        """Read nothing."""
        topic.whole_after = 0


class NeverLetsGo(StatusWatch):
    """Keeps whoever has followed a job, after he has gone."""

    def unfollow(self, topic: Topic, follower: Follower) -> None:
        """Free nothing."""


class BelievesItself(StatusWatch):
    """Answers with what it has, whatever whoever asks has seen."""

    async def at_least(self, job_id: str, version: int) -> Snapshot | None:
        """Ask nobody who may know more."""
        del version
        return await self.get(job_id)


class KeepsTheLast(Redis):
    """Keeps what was written last, whatever was there."""

    def keep(self, key: bytes, known: Record | None, new: Record) -> Outcome:
        """Do not compare."""
        del known
        return super().keep(key, None, new)


class Trusting(Beats):
    """Takes whatever a replica has for what the primary has."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock

    def extent(self, held: Iterable[str]) -> Extent:
        """Up to now, whatever it has."""
        del held
        return Extent(self._clock(), None)


class HighestId(ClientFeeds):
    """Takes the highest number of a transaction that it has seen for all that were committed."""

    def __init__(self, source: ReplaySource, *arguments: Any, **named: Any) -> None:
        super().__init__(_Closed(source), *arguments, **named)


class _Closed:
    """A primary that says nothing of transactions that are still open."""

    def __init__(self, source: ReplaySource) -> None:
        self._source = source
        self.visits = source.visits

    async def moves(self, places: Mapping[str, Place | None], *, limit: int) -> Mapping[str, Moves]:
        """As the primary says it, but for those."""
        told = await self._source.moves(places, limit=limit)
        return {client_id: replace(page, until=Horizon(page.until.following)) for client_id, page in told.items()}


class TellsWhatItHears(ClientFeeds):
    """Takes each message for news, though it may be late, or come twice."""

    def notice(self, notice: Notice) -> None:
        """As the feeds do, having forgotten what was told."""
        feed = self._feeds.get(notice.client_id or "")
        if feed is not None and notice.job_id in feed._known:  # pyright: ignore[reportPrivateUsage]
            feed._known[notice.job_id] = notice.version - 1  # pyright: ignore[reportPrivateUsage]
        super().notice(notice)


class Bug(NamedTuple):
    """A mistake, in the world in which it shows.

    Attributes:
        world: its name.
        parts: what `Make` makes of it.
        breaks: what is said of the rule that it breaks.
    """

    world: str
    parts: Mapping[str, Any]
    breaks: str


BUGS: Final[Mapping[str, Bug]] = {
    "publish before commit": Bug("crashing", {"ledger": PublishesFirst}, "which was not committed"),
    "read before register": Bug("streaming", {"watch": ReadsFirst}, "though its node was told of"),
    "lost resync": Bug("waiting", {"watch": HearsNoGap}, "though its node began to hear again at"),
    "blind cache set": Bug("polling", {"redis": KeepsTheLast}, "redis keeps an older version than before"),
    "stale replica taken": Bug("replicated", {"beats": Trusting}, "as if it were new"),
    "lost notice not made up for": Bug("crashing", {"watch": NeverCompares}, "s after it may"),
    "past not read": Bug("streaming", {"watch": ForgetsThePast}, ", past ["),
    "one of many not followed": Bug("batching", {"watch": FollowsTheFirst}, "though its node knows"),
    "open transaction passed over": Bug("feeding", {"feeds": HighestId}, ", past [1]"),
    "doubled notice told": Bug("feeding", {"feeds": TellsWhatItHears}, "goes on from version"),
    "followers kept": Bug("waiting", {"watch": NeverLetsGo}, "A keeps 1 in watch._topics"),
    "older answer given": Bug("polling", {"watch": BelievesItself}, "to who has seen"),
}
