"""Who asks for several jobs in one call, over the endpoint itself: held, and answered with what came close together."""

import sys
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.types import Message

from model.node import ANYBODY, Node
from model.readers import FORM, SCOPE, WAIT, Reader, Socket
from polling_api.api.admission import ADMISSION, Admission
from polling_api.api.batch_shapes import BatchGetDocument, ManyUntil
from polling_api.api.held import Held, Holding
from polling_api.api.held_list import HeldList
from polling_api.api.limits import PARTY
from polling_api.api.routes.batch_get import BatchGetEndpoint
from polling_api.errors import Unavailable
from polling_api.ratelimit import Party

if TYPE_CHECKING:
    from model.world import World

FIELDS: Final = list(FORM.fields or ())
UNAVAILABLE: Final = 503


class Noting(Holding):
    """Knows what is held: the one call that waits, if it does, and at which versions it began to."""

    def __init__(self, node: Node | None, job_ids: Iterable[str]) -> None:
        super().__init__()
        self.held: HeldList | None = None
        self.began_at = dict.fromkeys(job_ids, 0)
        self._node = node

    def enter(self, held: Held, transport: str, party: Party | None) -> None:
        """As ever, and note it."""
        super().enter(held, transport, party)
        assert isinstance(held, HeldList)
        assert self._node is not None
        known = {job_id: self._node.knows(job_id) for job_id in self.began_at}
        self.held, self.began_at = held, {job_id: job.version if job else 0 for job_id, job in known.items()}


class BatchWaiter(Reader):
    """Asks for all of some jobs, with the validators of what it has seen of each, and waits.

    Args:
        world: in which.
        nodes: to be asked in turn.
        job_ids: the jobs.
        times: how often it asks.
        until: what ends a wait.
    """

    def __init__(
        self,
        world: "World",
        nodes: Sequence[Node],
        job_ids: Sequence[str],
        times: int,
        until: ManyUntil = ManyUntil.CHANGE,
    ) -> None:
        super().__init__(world, nodes, job_ids[0], times)
        self._until = until
        self._seen = dict.fromkeys(job_ids, 0)
        self._tags: dict[str, str | None] = dict.fromkeys(job_ids)
        self._open = set(job_ids)
        self._holding = Noting(None, job_ids)
        self._status = 0
        self._marked = False

    async def _read(self, node: Node) -> None:
        self.socket, rules = Socket(self._world, self, slow=False), self._world.rules
        self._holding = Noting(node, self._seen)
        endpoint = BatchGetEndpoint(node.ownership, node.watch, self._holding, FORM, int(WAIT))
        jobs = [{"id": job_id, "etag": tag} for job_id, tag in self._tags.items()]
        asked = BatchGetDocument.model_validate({"jobs": jobs, "wait": WAIT, "until": self._until, "fields": FIELDS})
        scope = {**SCOPE, ADMISSION: Admission(ANYBODY), PARTY: None}
        sleepers = [rules.begins(node, job_id, self._has(node, job_id)) for job_id in self._seen]
        try:
            await endpoint.serve(asked, scope, self.socket.receive, self.socket.send)
        finally:
            for sleeper in sleepers:
                rules.ends(sleeper)
        if self._status == UNAVAILABLE:
            raise Unavailable("Nobody can say now.")

    def reads(self, message: Message) -> None:
        """See `Reader`."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._marked = any(name == b"age" for name, _ in message["headers"])
        elif self._status == 200:
            self._is_told(orjson.loads(message["body"]))

    def _is_told(self, told: dict[str, Any]) -> None:
        rules, node = self._world.rules, self.node
        for one in told["data"]:
            job_id = one["id"]
            if one["status"] == 404:
                rules.told_missing(node, job_id)
                self._open.discard(job_id)
                continue
            version = one["job"]["version"] if one["status"] == 200 else self._seen[job_id]
            known = node.knows(job_id)
            rules.require(known is not None and known.version == version, f"{node} tells {version} and knows {known}")
            if known is None:
                continue
            rules.shown(node, known, seen=self._seen[job_id], marked=self._marked)
            self._seen[job_id], self._tags[job_id] = version, one.get("etag", self._tags[job_id])
            if known.terminal:
                self._open.discard(job_id)
        if self._holding.held is not None and told["waited"] < WAIT:
            lost = any(self._world.postgres.was_lost(job_id, sys.maxsize) for job_id in self._seen)  # told at once
            news = lost or (not self._open if self._until is ManyUntil.ALL_TERMINAL else _tells_news(told["data"]))
            rules.require(news, f"{node} ends a wait with no news: {told}")
        self._ended = not self._open

    def _has(self, node: Node, job_id: str) -> Callable[[], float]:
        """What the call has been given of a job, as long as it sleeps: as much as there is, but for what ends it."""

        def has() -> float:
            held = self._holding.held
            if held is None or not _sleeps(held, node.now):
                return inf
            if self._until is ManyUntil.CHANGE:
                return self._seen[job_id] or self._holding.began_at[job_id]
            known = [node.knows(one) for one in self._seen]
            return inf if any(job is not None and not job.terminal for job in known) else 0

        return has


def _sleeps(held: HeldList, now: float) -> bool:
    """Whether it has not been answered, nor is about to be, when what comes close together has been gathered."""
    gathered = held._timers[1:]  # pyright: ignore[reportPrivateUsage]
    return not held._answered and not any(timer.when() >= now for timer in gathered)  # pyright: ignore[reportPrivateUsage]


def _tells_news(data: Sequence[dict[str, Any]]) -> bool:
    return any(one["status"] != 304 for one in data)
