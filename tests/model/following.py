"""Who has the stream of all of a client's jobs open, over the stream itself, and resumes it at one node or another."""

import re
from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Final

from starlette.types import Message

from model.node import Node
from model.readers import FORM, SCOPE, Reader, Socket
from polling_api.api.client_stream import ClientStream
from polling_api.api.cursors import Cursors
from polling_api.api.places import place_of_numbers
from polling_api.api.routes.client_events import believed
from polling_api.domain.job import Job
from polling_api.representation import Form

if TYPE_CHECKING:
    from model.world import World

CLIENT: Final = "cli_1"
CURSOR: Final = Cursors(["a key"]).bound_to("client events", CLIENT)
WITH_ID: Final = Form(FORM.base, fields=("id", "version"))
_EVENT: Final = re.compile(rb'^id: (\S+)\n(?:event: job\ndata: \{"id":"(\w+)","version":(\d+)\}$)?', re.MULTILINE)


class Follower(Reader):
    """Has the client's own stream open until all jobs have ended, and resumes it by its last cursor.

    Args:
        world: in which.
        nodes: to be asked in turn.
        job_ids: all that the client will ever have.
    """

    def __init__(self, world: "World", nodes: Sequence[Node], job_ids: Sequence[str]) -> None:
        super().__init__(world, nodes, job_ids[0], slow=True)
        self.told = dict.fromkeys(job_ids, 0)
        self.stream: ClientStream | None = None
        self.began = inf
        self._cursor = ""
        self._joined_at = 0  # by how many versions there were: what was committed later, it has to be told of

    @property
    def sleeps(self) -> bool:
        """Whether nothing is under way to it, so that it has been told all that its node knows."""
        stream = self.stream
        return stream is not None and not stream.sending.busy and stream._reading is None  # pyright: ignore[reportPrivateUsage]

    @property
    def reached(self) -> int:
        """How much of its node's log it has been told."""
        return self.stream.reached if self.stream is not None else 0

    def expects(self, job_id: str) -> bool:
        """Whether it has to be told of a job that it has not been told of: not if that had ended before it came."""
        return not self._is_past(job_id)

    async def _read(self, node: Node) -> None:
        """Do as `api.routes.client_events` does."""
        assert node.feeds is not None
        self.socket = Socket(self._world, self, slow=self._slow)
        self.began = node.now
        place = place_of_numbers(CURSOR.read(self._cursor))
        stream = ClientStream(node.feeds, WITH_ID, CURSOR, SCOPE, self.socket.send)
        feed = node.feeds.follow(CLIENT, stream)
        self._world.rules.follows(node, self, feed)
        try:
            joint = await node.feeds.joint(feed)
            if not self._cursor:
                self._joined_at = len(self._committed)
            stream.begin(feed, joint, believed(place, joint.place.since))
            self.stream = stream
            await stream.sending.until_gone(self.socket.receive)
        finally:
            self._world.rules.follows_no_more(self)
            self.stream, self.began = None, inf
            stream.end()
            node.feeds.unfollow(feed, stream)
        self._times += not self._ended

    def reads(self, message: Message) -> None:
        """See `Reader`."""
        for cursor, job_id, version in _EVENT.findall(message.get("body", b"")):
            self._cursor = cursor.decode()
            if job_id:
                self._is_told(job_id.decode(), int(version))
        if self._world.postgres.finished and all(map(self._has_all_of, self.told)) and self.socket is not None:
            self._ended = True
            self.socket.hang_up()

    def _is_told(self, job_id: str, version: int) -> None:
        began_later = self._index(job_id) >= self._joined_at
        if self.told[job_id] or began_later:
            self._world.rules.streamed(self.node, job_id, version, seen=self.told[job_id])
        self.told[job_id] = version

    def _has_all_of(self, job_id: str) -> bool:
        job = self._world.postgres.job(job_id)
        return job is not None and (self.told[job_id] == job.version or self._is_past(job_id))

    def _is_past(self, job_id: str) -> bool:
        """Whether a job had ended when the reader first came, so that it is told nothing of it."""
        job = self._world.postgres.job(job_id)
        return job is not None and job.terminal and self._committed.index(job) < self._joined_at

    def _index(self, job_id: str) -> int:
        """When a job was first committed, by how many versions there were before."""
        return [job.id for job in self._committed].index(job_id)

    @property
    def _committed(self) -> list[Job]:
        return [move.job for move in self._world.postgres.transactions.committed]


class Submitter:
    """Stores a job in a transaction that stays open for a while, and has nobody told of it.

    Args:
        world: in which.
        job_id: the job.
    """

    def __init__(self, world: "World", job_id: str) -> None:
        self.acts = 0
        self.rank = 0
        self._world = world
        self._job_id = job_id
        self._xid = 0
        world.parties.append(self)

    def __str__(self) -> str:
        return "submitter"

    @property
    def done(self) -> bool:
        """See `Party`."""
        return self.acts > 1

    @property
    def willing(self) -> bool:
        """See `Party`."""
        return not self.done

    @property
    def next(self) -> Callable[[], object]:
        """See `Party`."""
        return self.act

    def act(self) -> None:
        """Begin to write, or commit."""
        self.acts += 1
        if self.acts == 1:
            self._xid = self._world.postgres.transactions.begin()
        else:
            self._world.postgres.create(self._job_id, CLIENT, self._xid)

    def hang_up(self) -> None:
        """It waits for nobody."""
