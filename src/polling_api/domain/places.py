"""Where a reader of all of a client's jobs stands, as values: what it has been told, and what not yet."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Self

from polling_api.domain.job import Job

_TEXT = re.compile(r"([0-9]+):([0-9]+):((?:[0-9]+(?:,[0-9]+)*)?)")


@dataclass(frozen=True, slots=True)
class Horizon:
    """What had been committed at one moment, as a snapshot of Postgres says it.

    Every transaction below `following` had ended, but for those that were `open`. That is exact where "the highest id
    seen" is not: transactions get their ids when they begin to write, and may commit long after younger ones.
    """

    following: int
    open: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read Postgres' own text, `xmin:xmax:xip,…`.

        Raises:
            ValueError: it is none.
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(f"no snapshot: {text!r}")
        return cls(int(found[2]), tuple(map(int, found[3].split(","))) if found[3] else ())

    def __str__(self) -> str:
        """Postgres' own text."""
        return f"{self.oldest_open}:{self.following}:{','.join(map(str, self.open))}"

    @property
    def oldest_open(self) -> int:
        """Every transaction below this one had ended."""
        return min(self.open, default=self.following)


class Position(NamedTuple):
    """One version in the order of a replay. Transactions are older or younger, a job's versions are in order."""

    xid: int
    job_id: str
    version: int


class Visited(NamedTuple):
    """The unfinished job that a first visit has come to, oldest first."""

    created_at: datetime
    job_id: str


@dataclass(frozen=True, slots=True)
class Place:
    """What a reader has been told, in one of three forms.

    Live: all that `since` covers, and beyond it of each job in `beyond` the versions up to the one noted there.
    In a replay: that, and what `until` covers up to `after` in the order of a replay.
    In a first visit: the state that each unfinished job had at `since`, up to `visited`; nothing else. Where `visiting`
    is true and there is no `visited`, nothing at all.
    """

    since: Horizon
    beyond: Mapping[str, int] = field(default_factory=dict[str, int])
    until: Horizon | None = None
    after: Position | None = None
    visiting: bool = False
    visited: Visited | None = None

    def told(self, job_id: str, version: int) -> bool:
        """Whether the reader has a version that `since` does not cover."""
        return version <= self.beyond.get(job_id, 0)


class Move(NamedTuple):
    """A version in which a status changed, or the newest one, and the transaction that wrote it."""

    job: Job
    xid: int

    @property
    def position(self) -> Position:
        """Its place in the order of a replay."""
        return Position(self.xid, self.job.id, self.job.version)


@dataclass(frozen=True, slots=True)
class Moves:
    """A page of what a place lacks, in the order of a replay.

    `until` is the horizon that the pages lead to, and `more` whether others follow.
    """

    until: Horizon
    moves: Sequence[Move]
    more: bool


@dataclass(frozen=True, slots=True)
class Visits:
    """A page of a first visit: jobs that are unfinished, in the state they had at the visit's horizon.

    `visited` is the last job that was looked at, None where there was none; not all were there at the horizon. `more`
    says whether others follow.
    """

    jobs: Sequence[Job]
    visited: Visited | None
    more: bool
