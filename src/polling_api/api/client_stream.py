"""Server-Sent Events of all of a client's jobs, every status in order, none twice, across reconnects."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import structlog
from starlette.types import Scope, Send

from polling_api import metrics
from polling_api.api.cursors import Cursor
from polling_api.api.event_stream import COMMENT, greeting, opening, part
from polling_api.api.places import numbers_of_place
from polling_api.api.streaming import OpenStream
from polling_api.domain.job import Job
from polling_api.domain.places import Place, Visited
from polling_api.errors import Unavailable
from polling_api.representation import Form, Snapshot
from polling_api.watch import ClientFeed, ClientFeeds, Joint, Told

_log = structlog.get_logger(__name__)


class ClientStream(OpenStream):
    """One open stream. First it catches up with the primary, a page at a time; then it reads its client's log.

    A slow reader costs no page before it has taken the last one. Later it gets every status and the newest progress,
    and is closed where the log cannot keep what it has not taken; it resumes by its cursor.

    Args:
        feeds: the clients' logs.
        form: how jobs are rendered.
        cursor: makes the ids of events; the same for all of a client's streams, as an event is encoded once for them.
        scope: the request.
        send: the server's.
    """

    __slots__ = ("_cursor", "_feed", "_feeds", "_form", "_greeting", "_reached", "_room")

    def __init__(self, feeds: ClientFeeds, form: Form, cursor: Cursor, scope: Scope, send: Send) -> None:
        super().__init__(scope, send)
        self._feeds = feeds
        self._form = form
        self._cursor = cursor
        self._feed: ClientFeed | None = None
        self._reached = 0
        self._room = asyncio.Event()
        self._greeting = b""

    @property
    def reached(self) -> int:
        """See `watch.client_feed.Reader`."""
        return self._reached

    def begin(self, feed: ClientFeed, joint: Joint, place: Place | None) -> None:
        """Send the headers, and then what the reader lacks.

        Args:
            feed: the client's log, which this stream follows already.
            joint: where to go on with it.
            place: where the reader stands; None for a first visit.
        """
        self._feed = feed
        self._reached = joint.number
        self._greeting = greeting()
        # The first bytes come at once, so that proxies and EventSource know that the stream is open.
        self.sending.write(*opening(COMMENT, self._scope))
        self._begun = True
        self._reading = asyncio.create_task(self._read_up(feed, joint, place))

    def changed(self, feed: ClientFeed) -> None:  # noqa: ARG002 - it has only one
        """Write what is new. Before it has caught up it is too early."""
        self._catch_up()

    def _catch_up(self) -> None:
        """Do what was waiting for the socket: end, read the next page, or write what the log has."""
        self._room.set()
        if not self._begun or self._ended or self.sending.busy:
            return
        if self._aside:
            self._write(self._aside)
            self._aside = b""
        if self._leaving:
            self._finish()
        elif self._reading is None:
            self._write_log()

    def _finish(self) -> None:
        if self.sending.busy:
            return
        self._ended = True
        if self._reading is not None:
            self._reading.cancel()
        self.sending.write(part(b"", last=True))

    def _write_log(self) -> None:
        if self._feed is None or self._ended or self.sending.busy:
            return
        news = self._feed.after(self._reached)
        if news is None:
            _log.info("stream ends, its reader is too slow", client_id=self._feed.client_id)
            self.drain()
        elif news:
            self._write(b"".join(map(self._encoded, news)))
            self._reached = news[-1].number
            delay = time.time() - news[-1].snapshot.job.updated_at.timestamp()
            metrics.commit_to_socket("stream").observe(max(0.0, delay))

    def _write(self, events: bytes) -> None:
        greeted, self._greeting = self._greeting + events, b""
        self.sending.write(part(greeted))

    async def _read_up(self, feed: ClientFeed, joint: Joint, place: Place | None) -> None:
        resumes = place is not None
        try:
            while True:
                place = await self._visited(feed, place or Place(joint.place.since, visiting=True))
                place = await self._replayed(feed, place, joint)
                if await self._joined(feed, joint):
                    break
                joint = await self._feeds.joint(feed)
                self._reached = joint.number
        except Unavailable as error:
            _log.warning("stream ends, it cannot catch up", client_id=feed.client_id, reason=error.detail)
            self._leaving = True
        else:
            if self._greeting and not resumes:
                # Nothing was to be told: an id alone, which is no event, lets even this reader resume.
                self._write(self._id(place) + b"\n")
        finally:
            self._reading = None
        self._catch_up()

    async def _visited(self, feed: ClientFeed, place: Place) -> Place:
        """Tell the state of each unfinished job, oldest first."""
        while place.visiting:
            page = await self._feeds.visits(feed, place.since, place.visited)
            following = replace(place, visited=page.visited) if page.more else Place(place.since)
            places = [replace(place, visited=Visited(job.created_at, job.id)) for job in page.jobs]
            await self._tell(page.jobs, [*places[:-1], following])
            place = following
        return place

    async def _replayed(self, feed: ClientFeed, place: Place, joint: Joint) -> Place:
        """Tell what became of the jobs between a reader's place and the log's."""
        while place.since != joint.place.since:
            place = replace(place, until=place.until or joint.place.since)
            page = await self._feeds.moves(feed, place)
            missed = [move for move in page.moves if not place.told(move.job.id, move.job.version)]
            # What was told beyond an earlier horizon may lie beyond the next one too. It does not beyond the log's,
            # which is later than this request.
            following = Place(page.until, {} if page.until == joint.place.since else place.beyond)
            if page.more:
                following = replace(place, after=page.moves[-1].position)
            places = [replace(place, after=move.position) for move in missed]
            await self._tell([move.job for move in missed], [*places[:-1], following])
            place = following
        return place

    async def _joined(self, feed: ClientFeed, joint: Joint) -> bool:
        """Tell what the log has by now; False where it could not keep it for so long."""
        await self._until_there_is_room()
        news = feed.after(joint.number)
        if news is None:
            return False
        told = [*joint.ahead, *news]
        self._reached = feed.number
        if told:
            self._write(b"".join(map(self._encoded, told)))
        return True

    async def _tell(self, jobs: Sequence[Job], places: Sequence[Place]) -> None:
        """Write an event for each job, when the reader has taken what it was sent before."""
        events = [
            self._id(place) + Snapshot(job).rendered(self._form).unnumbered_event
            for job, place in zip(jobs, places, strict=False)
        ]
        await self._until_there_is_room()
        if events:
            self._write(b"".join(events))

    async def _until_there_is_room(self) -> None:
        while self.sending.busy:
            self._room.clear()
            await self._room.wait()

    def _encoded(self, told: Told) -> bytes:
        event = told.encoded.get(self._form)
        if event is None:
            event = self._id(told.place) + told.snapshot.rendered(self._form).unnumbered_event
            if self._form.fields is None:  # of which there are few forms; of picked fields there are many
                told.encoded[self._form] = event
        return event

    def _id(self, place: Place) -> bytes:
        return b"id: %b\n" % self._cursor.at(numbers_of_place(place)).encode()
