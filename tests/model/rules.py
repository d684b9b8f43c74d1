"""What must be so, whatever happens: held against all that readers are shown, and whenever time passes."""

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final

from model.loop import Process
from model.postgres import Postgres
from model.redis import Redis
from polling_api.domain.job import Job
from polling_api.hub import Notice

if TYPE_CHECKING:
    from model.following import Follower
    from model.node import Node
    from polling_api.watch import ClientFeed

NEWER_WITHIN: Final = 4.0  # seconds: the comparison's interval, and as long as its answer and the one before may take
GONE_WITHIN: Final = 4.5  # seconds: of what was lost, the primary is asked twice
FED_WITHIN: Final = 6.5  # seconds: of a client's stream, whose comparison may have three more pages than one
READ_WITHIN: Final = 6.5  # seconds: as long as a follower may wait for the cache and, in all, for the primary
EPSILON: Final = 1e-6  # seconds


class Broken(AssertionError):
    """A rule is broken."""


class Sleeper:
    """Somebody who follows a job at a node, and relies on being told of its changes.

    Args:
        node: where.
        job_id: the job.
        began: when.
        has: the version that it has been given; infinite while it is being given one.

    Attributes:
        told: the highest version that the node was told of since.
        resynced: the version that the primary had when the node, since, began to hear again.
    """

    def __init__(self, node: "Node", job_id: str, began: float, has: Callable[[], float]) -> None:
        self.node = node
        self.job_id = job_id
        self.began = began
        self.has = has
        self.told = 0
        self.resynced = 0

    def __str__(self) -> str:
        return f"who follows {self.job_id} at {self.node}"


class Rules:
    """Looks at a world.

    Args:
        postgres: the truth.
        redis: what all share.

    Attributes:
        broken: the first rule that was found broken.
        checked: how often one was held against something.
    """

    def __init__(self, postgres: Postgres, redis: Redis) -> None:
        self.broken: Broken | None = None
        self.checked = 0
        self._postgres = postgres
        self._redis = redis
        self._sleepers: list[Sleeper] = []
        self._followers: dict[Follower, tuple[Node, ClientFeed]] = {}
        self._troubled: dict[Process, float] = {}
        self._highest: dict[tuple[Node, str], int] = {}
        self._told_at: dict[tuple[Node, str, int], float] = {}

    def require(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - it is what the rule says
        """Hold a rule."""
        self.checked += 1
        if not holds and self.broken is None:
            self.broken = Broken(otherwise)

    def begins(self, node: "Node", job_id: str, has: Callable[[], float]) -> Sleeper:
        """Somebody begins to follow a job."""
        sleeper = Sleeper(node, job_id, node.now, has)
        self._sleepers.append(sleeper)
        return sleeper

    def ends(self, sleeper: Sleeper) -> None:
        """Somebody has what it waited for, or went away."""
        self._sleepers.remove(sleeper)

    def follows(self, node: "Node", follower: "Follower", feed: "ClientFeed") -> None:
        """Somebody begins to follow all of a client's jobs."""
        self._followers[follower] = node, feed

    def follows_no_more(self, follower: "Follower") -> None:
        """Somebody went away."""
        del self._followers[follower]

    def shown(self, node: "Node", job: Job, *, seen: int, marked: bool) -> None:
        """A reader who has seen a version is shown one at a node; `marked` where it is told that it may be old."""
        shows = f"{node} shows version {job.version} of {job.id}"
        self.require(self._postgres.ever_committed(job), f"{shows}, which was not committed")
        self.require(job.version >= seen or self._postgres.was_lost(job.id, seen), f"{shows} to who has seen {seen}")
        late = 0.0 if marked else self._late(node, job, node.now)
        self.require(late <= 0.0, f"{shows} as if it were new, {late:.3f} s after it may")

    def told_missing(self, node: "Node", job_id: str) -> None:
        """A reader is told that there is no such job."""
        self.require(self._postgres.missing_since(job_id) > -inf, f"{node} says that {job_id} is not there")

    def streamed(self, node: "Node", job_id: str, version: int, *, seen: int) -> None:
        """A stream goes on to a version."""
        versions = self._postgres.versions(job_id)
        began = next((job.status_version for job in versions if job.version == version), version)
        missed = [job.version for job in versions if seen < job.version < began and job.version == job.status_version]
        self.require(version > seen, f"a stream at {node} goes on from version {seen} of {job_id} to {version}")
        self.require(not missed, f"a stream at {node} goes from version {seen} of {job_id} to {version}, past {missed}")

    def heard(self, node: "Node", notice: Notice) -> None:
        """A node is told of a version; be it that it is lost by now."""
        self._told_at[node, notice.job_id, notice.version] = node.now
        for sleeper in self._sleepers:
            if sleeper.node is node and sleeper.job_id == notice.job_id:
                sleeper.told = max(sleeper.told, notice.version)

    def reconnected(self, process: Process) -> None:
        """A process hears again: what it did not hear of, it has to ask for at once."""
        for sleeper in self._sleepers:
            if sleeper.node.process is process:
                job = self._postgres.job(sleeper.job_id)
                sleeper.resynced = job.version if job is not None else 0

    def failed(self, process: Process, now: float) -> None:
        """A process was not answered: what it could not ask for, it asks for with the next comparison."""
        self._troubled[process] = now
        for sleeper in self._sleepers:
            if sleeper.node.process is process:
                sleeper.resynced = 0

    def before(self, moment: float, asking: set[Process]) -> None:
        """Time goes on to a moment: whoever can know of something does, and nobody is too far behind."""
        self.require(
            not self._redis.went_back, f"redis keeps an older version than before: {', '.join(self._redis.went_back)}"
        )
        for sleeper in self._sleepers:
            node = sleeper.node
            if not node.process.alive:
                continue
            known = node.knows(sleeper.job_id)
            if node.process not in asking:
                self._does_know(sleeper, 0 if known is None else known.version)
            late = self._late(node, known, moment) if known else self._unread_for(sleeper, moment) - READ_WITHIN
            self.require(late <= 0.0, f"{sleeper} sleeps at {known and known.version}, {late:.3f} s after it may")
            if known is not None:
                self._does_not_go_back(node, known)

        for follower, (node, feed) in self._followers.items():
            if follower.sleeps:
                self._is_fed(follower, node, feed, moment)

    def _is_fed(self, follower: "Follower", node: "Node", feed: "ClientFeed", moment: float) -> None:
        self.require(follower.reached == feed.number, f"{follower} has read to {follower.reached} of {feed.number}")
        since = max(follower.began, self._troubled.get(node.process, -inf))
        for job_id, version in follower.told.items():
            if version or follower.expects(job_id):
                late = moment - max(since, self._postgres.committed_after(job_id, version)) - FED_WITHIN
                self.require(late <= 0.0, f"{follower} sleeps at {version} of {job_id}, {late:.3f} s after it may")

    def _unread_for(self, sleeper: Sleeper, moment: float) -> float:
        """Seconds in which a job is not known here that somebody follows: it is being read, or told to be gone."""
        troubled = self._troubled.get(sleeper.node.process, -inf)
        gone_since = (
            max(troubled, missing) if (missing := self._postgres.missing_since(sleeper.job_id)) > -inf else -inf
        )
        return moment - max(sleeper.began, gone_since)

    def _does_not_go_back(self, node: "Node", known: Job) -> None:
        before = self._highest.get((node, known.id), 0)
        self.require(
            known.version >= before or self._postgres.was_lost(known.id, before),
            f"{node} knows version {known.version} of {known.id} after it has known {before}",
        )
        self._highest[node, known.id] = known.version

    def _does_know(self, sleeper: Sleeper, known: int) -> None:
        for version, why in (
            (sleeper.told, "its node was told of"),
            (sleeper.resynced, "its node began to hear again at"),
        ):
            lost = known < version and self._postgres.was_lost(sleeper.job_id, version)
            self.require(known >= version or lost, f"{sleeper} sleeps at {known}, though {why} {version}")
        has = sleeper.has()
        lost = has < known and self._postgres.was_lost(sleeper.job_id, known)
        self.require(has >= known or lost, f"{sleeper} has {has}, though its node knows {known}")

    def _late(self, node: "Node", job: Job, moment: float) -> float:
        """Seconds since which a node should have known better at a moment; negative if it should not."""
        since = max(self._troubled.get(node.process, -inf), self._told_at.get((node, job.id, job.version), -inf))
        newer = max(since, self._postgres.followed_at(job)) + NEWER_WITHIN
        gone = max(since, self._postgres.gone_at(job)) + GONE_WITHIN
        return moment - min(newer, gone) - EPSILON
