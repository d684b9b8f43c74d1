"""The contract's rules of what a client may be shown, as a model of one job. It knows nothing of how the service works.

Whoever asks hands in what was answered, and when it was asked. A broken rule is an AssertionError that is a sentence.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

Job = dict[str, Any]

LATE: Final = 4.0  # seconds that an answer may be behind where it does not say so
TERMINAL: Final = frozenset({"succeeded", "failed", "expired", "cancelled"})
# What may come right after a status. A version that keeps the status moves progress alone.
NEXT: Final[dict[str, frozenset[str]]] = {
    "queued": frozenset({"submitting", "cancelled", "expired"}),
    "submitting": frozenset({"in_progress", "finalizing", "cancelling", "failed"}),
    "in_progress": frozenset({"finalizing", "cancelling"}),
    "finalizing": TERMINAL | {"cancelling"},
    "cancelling": TERMINAL,
    **dict.fromkeys(TERMINAL, frozenset[str]()),
}
OUTCOMES: Final = ("completed", "failed", "expired", "cancelled")
ALWAYS_THE_SAME: Final = ("object", "id", "metadata", "provider", "endpoint", "created_at", "links")
SET_ONCE: Final = ("started_at", "finished_at", "results_expire_at")


class Asked(NamedTuple):
    """A request: of which node, and when it was sent (monotonic seconds)."""

    node: int
    at: float


class JobModel:
    """One job, as far as its clients have been shown it.

    Args:
        job: as the answer to its submit shows it.
        asked: that submit.
        may_be_cancelled: whether its provider ends it so by itself.
    """

    def __init__(self, job: Job, asked: Asked, *, may_be_cancelled: bool) -> None:
        self.id: str = job["id"]
        self.versions: dict[int, Job] = {}
        self.history: Sequence[Job] = ()
        self._tags: dict[int, str] = {}
        self._seen_at: dict[int, float] = {}  # when a version was first shown by anybody
        self._shown_at: dict[int, dict[int, float]] = defaultdict(dict)  # the same, by each node
        self._gone_at: dict[int, float] = {}  # when each node first denied it
        self._may_be_cancelled = may_be_cancelled
        self._first = job
        self.shown(job, asked, now=asked.at)

    @property
    def newest(self) -> Job:
        """The newest version that was shown."""
        return self.versions[max(self.versions)]

    @property
    def ended(self) -> bool:
        """Whether its end was shown."""
        return self.newest["terminal"]

    @property
    def deleted(self) -> bool:
        """Whether it was deleted."""
        return bool(self._gone_at)

    @property
    def tags(self) -> Mapping[int, str]:
        """The entity tags that were shown, by version, the newest last."""
        return dict(sorted(self._tags.items()))

    # What is told

    def shown(self, job: Job, asked: Asked, *, now: float, knows: int = 0) -> None:
        """A state that was given as the present one to somebody who named version `knows` (0: none)."""
        self.learn(job)
        self._present(job["version"], asked, now, knows)

    def headed(self, tag: str, asked: Asked, *, now: float, knows: int = 0) -> None:
        """The head of an answer that would have shown the version with this tag."""
        self.tagged_with(version_of(tag), tag)
        self._present(version_of(tag), asked, now, knows)

    def streamed(self, job: Job, node: int, *, now: float) -> None:
        """A version that a stream of a node told, which may be a past one."""
        self.learn(job)
        self._seen_at.setdefault(job["version"], now)
        self._shown_at[node].setdefault(job["version"], now)

    def tagged_with(self, version: int, tag: str) -> None:
        """An entity tag: the same for a version on every node, and another for every other version."""
        assert self._tags.setdefault(version, tag) == tag, f"version {version} has two entity tags"
        assert [one for one, known in self._tags.items() if known == tag] == [version], "two versions share a tag"

    def unchanged(self, tag: str, named: Sequence[str], asked: Asked, *, now: float) -> None:
        """A `304`: only to who named the tag of the present version."""
        assert tag in named, f"304 for {tag}, and the caller named {named}"
        version = version_of(tag)
        self.tagged_with(version, tag)
        self._present(version, asked, now, version)

    def learn(self, job: Job) -> None:
        """A version, present or past: it is the same whoever shows it, and fits between those around it."""
        version = job["version"]
        known = self.versions.get(version)
        if known is not None:
            assert known == job, f"version {version} was shown in two ways: {known} and {job}"
            return
        self._is_whole(job)
        before = [one for one in self.versions if one < version]
        after = [one for one in self.versions if one > version]
        if before:
            follows(self.versions[max(before)], job)
        if after:
            follows(job, self.versions[min(after)])
        self.versions[version] = job

    def told_history(self, entries: Sequence[Job], asked: Asked) -> None:
        """All pages of a history: every version, in order, as it was shown elsewhere; each step a legal one."""
        assert [entry["version"] for entry in entries] == list(range(1, len(entries) + 1)), "history has gaps"
        self._must_be_there(asked)
        must_have = [version for version, at in self._seen_at.items() if at < asked.at]
        assert len(entries) >= max(must_have), "history lacks the newest version"
        for earlier, later in pairwise(entries):
            steps = NEXT[earlier["status"]] | ({earlier["status"]} - TERMINAL)
            assert later["status"] in steps, f"{earlier['status']} was followed by {later['status']}"
            assert earlier["at"] < later["at"], "history is not in the order of time"
        for entry in entries:
            shown = self.versions.get(entry["version"])
            if shown is not None:
                as_entry = {"version": shown["version"], "status": shown["status"], "progress": shown["progress"]}
                assert entry == {**as_entry, "at": shown["updated_at"]}, "history tells a version otherwise"
        self.history = entries

    def told_results(self, results: Sequence[Job], custom_ids: Sequence[str]) -> None:
        """All pages of results: every item in the order of submission, and as many of each outcome as the job says."""
        assert self.ended, "results were given before the job's end was ever shown"
        assert [result["index"] for result in results] == list(range(len(custom_ids)))
        assert [result["custom_id"] for result in results] == list(custom_ids)
        told = [result["outcome"] for result in results]
        counted = {outcome: told.count(outcome) for outcome in OUTCOMES}
        assert counted == {outcome: self.newest["progress"][outcome] for outcome in OUTCOMES}
        assert all((one["response"] is not None) >= (one["outcome"] == "completed") for one in results)

    def refused_results(self, asked: Asked) -> None:
        """A `409` to who asks for results: it has not ended, as far as this node can know."""
        for version in (one for one, job in self.versions.items() if job["terminal"]):
            assert self._shown_at[asked.node].get(version, asked.at) >= asked.at, "a node forgot that a job has ended"
            assert self._seen_at[version] >= asked.at - LATE, f"no results {LATE} s after the end was shown"

    def may_be_cancelled(self) -> None:
        """Somebody is about to ask for its end."""
        self._may_be_cancelled = True

    def accepted_cancel(self, job: Job) -> None:
        """A `202` to a cancel: it is being cancelled, or is."""
        assert job["status"] in {"cancelling", "cancelled"}, f"a cancel left the job {job['status']}"
        assert not self.ended or self.newest["status"] == "cancelled", "a finished job took a cancel"

    def refused_cancel(self) -> None:
        """A `409` to a cancel: it has ended, and not as cancelled; whoever reads it next is shown so."""
        assert not self.ended or self.newest["status"] != "cancelled", "a cancelled job refused another cancel"

    def was_deleted(self, asked: Asked, *, now: float) -> None:
        """A `204` to a delete: from now on it is not there, on this node at once and on the others soon."""
        self._must_be_there(asked)
        self._gone_at[asked.node] = now

    def denied(self, asked: Asked, *, now: float) -> None:
        """A `404`: only after it was deleted, and from then on for ever."""
        assert self.deleted, "a job that nobody deleted is not there"
        self._gone_at.setdefault(asked.node, now)

    def woken(self, job: Job | None, asked: Asked, *, seen: int | None, until: str, early: bool) -> None:
        """An answer to a wait: before its time was over only for what was waited for, or the end.

        Args:
            job: what it showed; None for a `304`.
            asked: the wait.
            seen: the version that the caller named; None where it named none, and 0 where it named one of no job.
            until: what it waited for.
            early: whether time was left.
        """
        if not early or (job or self.newest)["terminal"]:
            return
        assert job is not None, "a wait was over before its time, and nothing had changed"
        assert until != "terminal", f"a wait for the end was over at {job['status']}"
        if seen is None:
            before = [one for one, at in self._shown_at[asked.node].items() if at < asked.at]
            seen = max(before, default=0)
        assert job["version"] > seen, "a wait was over before its time, and nothing was new"
        if until == "status" and seen in self.versions:
            assert job["status"] != self.versions[seen]["status"], "progress alone ended a wait for a status"

    def followed(self, events: Sequence[Job], after: int | None, *, whole: bool) -> None:
        """The versions that a stream told: in order, none twice, no status missing, and the end if there was one.

        Args:
            events: bodies, in the order they came.
            after: the version that the reader had seen; None for a first visit, which begins with the present state.
            whole: whether the stream ended by itself, and its job was not deleted.
        """
        versions = [job["version"] for job in events]
        assert versions == sorted(set(versions)), f"a stream told versions {versions}"
        assert after is None or not versions or versions[0] > after, f"a stream told {versions} to who had seen {after}"
        if after in self.versions and self.versions[after]["terminal"]:
            assert not events, "a stream told something to who had seen the end"
        elif whole:
            assert events, "a stream ended and told nothing"
            assert events[-1]["terminal"], f"a stream ended at {events[-1]['status']}"
            missed = [
                span
                for span in self._spans_after(versions[0] if after is None else after)
                if not set(span) & set(versions)
            ]
            assert not missed, f"a stream told versions {versions} to who had seen {after}, and none of {missed}"

    # What follows from it

    def _present(self, version: int, asked: Asked, now: float, knows: int) -> None:
        self._must_be_there(asked)
        assert version >= knows, f"version {version} was shown to who had seen {knows}"
        newer = [one for one, at in self._shown_at[asked.node].items() if one > version and at < asked.at]
        assert not newer, f"node {asked.node} went back to version {version}, having shown {newer}"
        late = [one for one, at in self._seen_at.items() if one > version and at < asked.at - LATE]
        assert not late, f"version {version} is over: {late} were shown more than {LATE} s before"
        self._seen_at.setdefault(version, now)
        self._shown_at[asked.node].setdefault(version, now)

    def _must_be_there(self, asked: Asked) -> None:
        assert self._gone_at.get(asked.node, asked.at) >= asked.at, "a deleted job is there again"
        denied = min(self._gone_at.values(), default=asked.at)
        assert denied >= asked.at - LATE, f"a job is there more than {LATE} s after it was deleted"

    def _is_whole(self, job: Job) -> None:
        assert {name: job[name] for name in ALWAYS_THE_SAME} == {name: self._first[name] for name in ALWAYS_THE_SAME}
        assert job["terminal"] == (job["status"] in TERMINAL)
        done = sum(job["progress"][outcome] for outcome in OUTCOMES)
        assert done <= job["progress"]["total"]
        assert job["progress"]["total"] == self._first["progress"]["total"]
        if job["terminal"]:
            assert done == job["progress"]["total"], f"counts do not add up at the end: {job['progress']}"
        assert (job["finished_at"] is not None) == job["terminal"] == (job["results_expire_at"] is not None)
        assert (job["error"] is not None) == (job["status"] == "failed")
        assert job["status"] not in {"cancelling", "cancelled"} or self._may_be_cancelled, "nobody cancelled it"

    def _spans_after(self, version: int) -> Sequence[range]:
        """The versions above one, those of one status together, as far as its history was read."""
        changes = [
            1,
            *(later["version"] for earlier, later in pairwise(self.history) if later["status"] != earlier["status"]),
        ]
        return [range(begins, ends) for begins, ends in pairwise(changes) if begins > version]


def follows(earlier: Job, later: Job) -> None:
    """A later version of a job: it comes from the earlier one by legal steps, and takes nothing back."""
    came, went = earlier["status"], later["status"]
    assert went == came or went in reachable(came), f"{came} became {went}"
    assert not earlier["terminal"], f"a job that had {came} changed again"
    assert earlier["updated_at"] < later["updated_at"], "a later version is not later"
    # The end counts the results that there are: a provider may have told of more than it then hands out.
    for outcome in () if later["terminal"] else OUTCOMES:
        assert earlier["progress"][outcome] <= later["progress"][outcome], (
            f"{outcome} went down from {earlier} to {later}"
        )
    for name in SET_ONCE:
        assert earlier[name] in {None, later[name]}, f"{name} changed"


def reachable(status: str) -> frozenset[str]:
    """All that may come after a status, at once or later."""
    return NEXT[status].union(*(reachable(one) for one in NEXT[status]))


def version_of(tag: str) -> int:
    """The version in an entity tag: `W/"4-…"` is of version 4."""
    return int(tag.removeprefix('W/"').partition("-")[0])
