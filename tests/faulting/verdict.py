"""What came of a fault, by what was seen and what is true. Nothing here does I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

TERMINAL = frozenset({"succeeded", "failed", "expired", "cancelled"})
SLOW = 10.0  # seconds: an answer that never came counts as one that took so long


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a job as Postgres has it; `made` is epoch seconds."""

    version: int
    status: str
    made: float


@dataclass(frozen=True, slots=True)
class Truth:
    """What Postgres and the provider hold in the end.

    Attributes:
        versions: of each job, in order.
        batches: how many each job has at the provider.
    """

    versions: Mapping[str, Sequence[Version]]
    batches: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a poll came to: when it was asked (epoch), how long it took, and what it showed; 0 for nothing."""

    asked: float
    took: float
    version: int = 0
    marked: bool = False

    @property
    def failed(self) -> bool:
        """Whether it showed no state."""
        return not self.version


@dataclass(frozen=True, slots=True)
class Sight:
    """A version that came to a reader, and when (epoch)."""

    at: float
    version: int
    status: str


class Transport(StrEnum):
    """How somebody watches."""

    POLL = "poll"
    WAIT = "wait"
    STREAM = "stream"
    MANY_POLLED = "many polled"
    MANY_WAITED = "many waited"
    MANY_STREAMED = "many streamed"
    PAGES = "pages"

    @property
    def live(self) -> bool:
        """Whether it is told of a change by itself, as long as it lasts."""
        return self in {Transport.STREAM, Transport.MANY_STREAMED}

    @property
    def whole(self) -> bool:
        """Whether it shows every status from its first on, and no version twice."""
        return self.live or self is Transport.PAGES


@dataclass(slots=True)
class Watched:
    """All that one watcher of one job saw, in order.

    `answers` are a poller's. `results` are the indexes of those that were read, of `items` that there have to be.
    """

    job_id: str
    transport: Transport
    sights: list[Sight] = field(default_factory=list[Sight])
    answers: list[Answer] = field(default_factory=list[Answer])
    results: list[int] = field(default_factory=list[int])
    items: int = 0

    @property
    def last(self) -> int:
        """The newest version that it saw; 0: none yet."""
        return self.sights[-1].version if self.sights else 0

    @property
    def told_the_end(self) -> bool:
        """Whether it was told that the job has ended."""
        return bool(self.sights) and self.sights[-1].status in TERMINAL

    @property
    def ended(self) -> bool:
        """Whether it saw the end, and all that there is to be read then."""
        return self.told_the_end and len(self.results) >= self.items


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to judge: who watched, what was accepted meanwhile, and when the fault was (epoch)."""

    watched: Sequence[Watched]
    accepted: Sequence[str]
    began: float
    over: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A line of the table: counts that have to be 0, and figures that tell how it was.

    Attributes:
        went_back: versions that were older than one seen before, or came twice on a stream or in pages.
        missed: statuses that a stream did not show, from its first on, or a history; and results that no page had.
        undelivered: watchers that did not see their job's end.
        doubled: batches at the provider beyond one for a job.
        lost: jobs that were accepted with `202` and are not stored.
        stale: the oldest state in an unmarked answer, in seconds.
        news: the longest from a commit to a stream, in seconds.
        errors: share of polls, asked during the fault, that were answered with no state.
        marked: share of them that were answered with a state marked as old.
        p99: of the same polls' times, in seconds.
        lag: p99 of how late the workers' event loops were meanwhile, in seconds; the upper edge of its bucket.
        recovered: seconds from the fault's end until all was well again.
    """

    went_back: int
    missed: int
    undelivered: int
    doubled: int
    lost: int
    stale: float
    news: float
    errors: float
    marked: float
    p99: float
    lag: float
    recovered: float

    @property
    def broken(self) -> Mapping[str, int]:
        """What should be 0 and is not, by name."""
        counts = {name: getattr(self, name) for name in ("went_back", "missed", "undelivered", "doubled", "lost")}
        return {name: count for name, count in counts.items() if count}


def judge(seen: Seen, truth: Truth, *, lag: float, recovered: float) -> Outcome:
    """Compare what was seen with what is true."""
    during = [
        answer for watched in seen.watched for answer in watched.answers if seen.began <= answer.asked <= seen.over
    ]
    streams = [watched for watched in seen.watched if watched.transport.live]
    whole = [watched for watched in seen.watched if watched.transport.whole]
    return Outcome(
        went_back=sum(_went_back(watched) for watched in seen.watched),
        missed=sum(_missed(watched, truth.versions[watched.job_id]) for watched in whole),
        undelivered=sum(not watched.ended for watched in seen.watched),
        doubled=sum(count - 1 for count in truth.batches.values()),
        lost=sum(job_id not in truth.versions for job_id in seen.accepted),
        stale=max((_staleness(watched, truth.versions[watched.job_id]) for watched in seen.watched), default=0.0),
        news=max((_delay(watched, truth.versions[watched.job_id]) for watched in streams), default=0.0),
        errors=sum(answer.failed for answer in during) / max(1, len(during)),
        marked=sum(answer.marked for answer in during) / max(1, len(during)),
        p99=percentile((answer.took for answer in during), 0.99),
        lag=lag,
        recovered=recovered,
    )


def percentile(figures: Iterable[float], share: float) -> float:
    """The figure below which so large a share of some is; 0 of none."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _went_back(watched: Watched) -> int:
    twice = watched.transport.whole
    pairs = pairwise(sight.version for sight in watched.sights)
    versions = sum(later < before or (twice and later == before) for before, later in pairs)
    return versions + sum(later <= before for before, later in pairwise(watched.results))


def _missed(watched: Watched, versions: Sequence[Version]) -> int:
    """How many statuses that the job had, from the first that a stream showed, it did not show."""
    if not watched.sights:
        return 0  # it is counted as undelivered
    shown = {sight.status for sight in watched.sights}
    unread = {*range(watched.items)} - {*watched.results}
    return len(unread) + len(
        {version.status for version in versions if version.version >= watched.sights[0].version} - shown
    )


def _staleness(watched: Watched, versions: Sequence[Version]) -> float:
    """The longest that the next version had been there when an unmarked answer without it was asked for."""
    made = {version.version: version.made for version in versions}
    ages = [
        answer.asked - made[answer.version + 1]
        for answer in watched.answers
        if answer.version and not answer.marked and answer.version + 1 in made
    ]
    return max(0.0, *ages) if ages else 0.0


def _delay(watched: Watched, versions: Sequence[Version]) -> float:
    """The longest from a commit to a stream that was already open then."""
    made = {version.version: version.made for version in versions}
    return max((sight.at - made[sight.version] for sight in watched.sights[1:] if sight.version in made), default=0.0)
