"""What a call about many jobs asks for: when there is news for it, and what it is told of each job. No I/O."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from polling_api.api.batch_shapes import ManyUntil
from polling_api.api.conditional import Condition
from polling_api.api.waiting import version_seen
from polling_api.domain.job import Job
from polling_api.representation import Form, Snapshot
from polling_api.watch import Topic


class Wanted:
    """Jobs, in the order in which they are answered, with what the caller has seen of each.

    Args:
        conditions: of each job; the same id may stand more than once.
        until: what ends a wait.
        form: how jobs are shown.
    """

    def __init__(self, conditions: Sequence[tuple[str, Condition]], until: ManyUntil, form: Form) -> None:
        self._conditions = conditions
        self._until = until
        self._form = form
        self._seen: dict[str, int] = {}
        self._open: set[str] = set()
        self.topics: Mapping[str, Topic] = {}

    @property
    def ids(self) -> list[str]:
        """Each id once."""
        return list(dict.fromkeys(job_id for job_id, _ in self._conditions))

    def unknown(self) -> list[str]:
        """The ids that lead to nothing."""
        return [job_id for job_id in self.ids if _snapshot(self.topics.get(job_id)) is None]

    def newer(self) -> dict[str, int]:
        """The jobs of which the caller has seen a version that is not known here, with that version."""
        newest: dict[str, int] = {}
        for job_id, condition in self._conditions:
            snapshot = _snapshot(self.topics.get(job_id))
            if snapshot is not None and condition.version is not None and condition.version > snapshot.job.version:
                newest[job_id] = max(condition.version, newest.get(job_id, 0))
        return newest

    def begin(self) -> bool:
        """Look at the jobs as they are now; whether there is anything to wait for.

        A job without a validator is waited for from its present version on; one that has ended, or of which any version
        counts as seen (`*`), keeps nobody waiting, and wakes nobody.
        """
        for job_id, condition in self._conditions:
            snapshot = _snapshot(self.topics.get(job_id))
            if snapshot is not None and not condition.anything:
                seen = self._version_seen(snapshot, condition)
                self._seen[job_id] = min(seen, self._seen.get(job_id, seen))
                if not snapshot.job.terminal:
                    self._open.add(job_id)
        return bool(self._open) and not any(map(self.is_news, self.topics.values()))

    def is_news(self, topic: Topic) -> bool:
        """Whether what is known of a job now is what the caller waits for."""
        snapshot = _snapshot(topic)
        if snapshot is None or snapshot.job.terminal:
            self._open.discard(topic.job_id)
        if self._until is ManyUntil.ALL_TERMINAL:
            return not self._open
        if topic.job_id not in self._seen:
            return False
        return snapshot is None or self._version_of_news(snapshot.job) > self._seen[topic.job_id]

    def body(self, waited: int) -> bytes:
        """The answer: of each job its present state, that the caller has seen it, or that there is none."""
        data = [self._told(job_id, condition) for job_id, condition in self._conditions]
        return orjson.dumps({"object": "list", "data": data, "waited": waited})

    def _version_of_news(self, job: Job) -> int:
        if self._until is ManyUntil.CHANGE:
            return job.version
        if self._until is ManyUntil.STATUS:
            return job.status_version
        return job.version if job.terminal else 0

    def _version_seen(self, snapshot: Snapshot, condition: Condition) -> int:
        if snapshot.job.terminal and not condition.given:
            return 0
        return version_seen(snapshot.rendered(self._form), condition, any_change=self._until is ManyUntil.CHANGE)

    def _told(self, job_id: str, condition: Condition) -> dict[str, Any]:
        snapshot = _snapshot(self.topics.get(job_id))
        if snapshot is None:
            return {"id": job_id, "status": 404, "code": "job_not_found"}
        rendered = snapshot.rendered(self._form)
        if condition.names(rendered.etag):
            return {"id": job_id, "status": 304}
        return {"id": job_id, "status": 200, "etag": rendered.etag, "job": orjson.Fragment(rendered.body)}


def _snapshot(topic: Topic | None) -> Snapshot | None:
    return None if topic is None or topic.gone else topic.snapshot
