"""What must be so, whatever happens: held against all that readers are shown, and whenever time passes."""

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final

from model.loop import Process
from model.postgres import Postgres
from model.redis import Redis
from polling_api.hub import Notice

if TYPE_CHECKING:
    from model.node import Node

AT_MOST_BEHIND: Final = 4.0  # seconds: the comparison's interval, and as long as its answer and the one before may take
EPSILON: Final = 1e-6  # seconds


class Broken(AssertionError):
    """A rule is broken."""


class Sleeper:
    """Somebody who follows a job at a node, and relies on being told of its changes.

    Args:
        node: where.
        job_id: the job.
        has: the version that it has been given; infinite while it is being given one.

    Attributes:
        told: the highest version that the node was told of since.
        resynced: the version that the primary had when the node, since, began to hear again.
    """

    def __init__(self, node: "Node", job_id: str, has: Callable[[], float]) -> None:
        self.node = node
        self.job_id = job_id
        self.has = has
        self.told = 0
        self.resynced = 0


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
        self._troubled: dict[Process, float] = {}
        self._highest: dict[tuple[Process, str], int] = {}

    def require(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - it is what the rule says
        """Hold a rule."""
        self.checked += 1
        if not holds and self.broken is None:
            self.broken = Broken(otherwise)

    def begins(self, node: "Node", job_id: str, has: Callable[[], float]) -> Sleeper:
        """Somebody begins to follow a job."""
        sleeper = Sleeper(node, job_id, has)
        self._sleepers.append(sleeper)
        return sleeper

    def ends(self, sleeper: Sleeper) -> None:
        """Somebody has what it waited for, or went away."""
        self._sleepers.remove(sleeper)

    def shown(self, node: "Node", job_id: str, version: int, *, seen: int, marked: bool, now: float) -> None:
        """A reader who has seen a version is shown one at a node; `marked` where it is told that it may be old."""
        self.require(
            self._postgres.ever_committed(job_id, version),
            f"{node} shows version {version} of {job_id}, which was not committed",
        )
        self.require(
            version >= seen or self._postgres.was_lost(job_id, seen),
            f"{node} shows version {version} of {job_id} to who has seen {seen}",
        )
        behind = 0.0 if marked else self._behind(node, job_id, version, now)
        self.require(
            behind <= AT_MOST_BEHIND + EPSILON,
            f"{node} shows version {version} of {job_id} as if it were new, {behind:.3f} s after it changed",
        )

    def told_missing(self, node: "Node", job_id: str) -> None:
        """A reader is told that there is no such job."""
        self.require(self._postgres.ever_missing(job_id), f"{node} says that {job_id} is not there")

    def streamed(self, node: "Node", job_id: str, version: int, *, seen: int) -> None:
        """A stream goes on to a version."""
        versions = self._postgres.versions(job_id)
        began = next((job.status_version for job in versions if job.version == version), version)
        missed = [job.version for job in versions if seen < job.version < began and job.version == job.status_version]
        self.require(version > seen, f"a stream at {node} goes on from version {seen} of {job_id} to {version}")
        self.require(not missed, f"a stream at {node} goes from version {seen} of {job_id} to {version}, past {missed}")

    def heard(self, node: "Node", notice: Notice) -> None:
        """A node is told of a version."""
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
        self.require(not self._redis.went_back, f"redis keeps an older version than before: {self._redis.went_back}")
        for sleeper in self._sleepers:
            node, job_id = sleeper.node, sleeper.job_id
            if not node.process.alive:
                continue
            known = node.knows(job_id)
            if node.process not in asking:
                self._does_know(sleeper, known)
            behind = self._behind(node, job_id, known, moment)
            self.require(
                behind <= AT_MOST_BEHIND + EPSILON,
                f"who follows {job_id} at {node} sleeps at version {known}, {behind:.3f} s after it changed",
            )
            before = self._highest.get((node.process, job_id), 0)
            self.require(
                known >= before or self._postgres.was_lost(job_id, before) or not known,
                f"{node} knows version {known} of {job_id} after it has known {before}",
            )
            self._highest[node.process, job_id] = known

    def _does_know(self, sleeper: Sleeper, known: int) -> None:
        job_id, node = sleeper.job_id, sleeper.node
        self.require(
            known >= sleeper.told or self._postgres.was_lost(job_id, sleeper.told),
            f"who follows {job_id} at {node} sleeps at version {known}, though {node} was told of {sleeper.told}",
        )
        self.require(
            known >= sleeper.resynced or self._postgres.was_lost(job_id, sleeper.resynced),
            f"who follows {job_id} at {node} sleeps at version {known}, though {node} was reconnected at "
            f"{sleeper.resynced}",
        )
        has = sleeper.has()
        self.require(
            has >= known or self._postgres.was_lost(job_id, known),
            f"who follows {job_id} at {node} sleeps at version {has}, though {node} knows {known}",
        )

    def _behind(self, node: "Node", job_id: str, version: int, moment: float) -> float:
        """Seconds since a version was not the newest any more, or since the node was last in trouble."""
        changed = self._postgres.changed_after(job_id, version)
        return moment - max(changed, self._troubled.get(node.process, -inf))
