"""`GET` of the events of all of a client's jobs on one stream, which resumes on any node by a signed cursor. Hot."""

from starlette.types import Receive, Scope, Send

from polling_api.api.answers import Answer
from polling_api.api.client_stream import ClientStream
from polling_api.api.cursors import Cursors
from polling_api.api.held import Holding, send_whole
from polling_api.api.places import place_of_numbers
from polling_api.api.problems import problem
from polling_api.api.routes.events import going_away, last_event_id
from polling_api.api.streaming import HEADERS, KeepAlive
from polling_api.domain.places import Horizon, Place
from polling_api.errors import PollingError
from polling_api.representation import Form
from polling_api.watch import ClientFeeds


class ClientEventsEndpoint:
    """Streams the versions of all of a client's jobs, until the reader goes away or the process does.

    Args:
        feeds: the clients' logs.
        holding: counts the streams.
        keep_alive: writes comments into silent ones.
        form: of the set this endpoint belongs to.
        cursors: by which readers resume, in whichever set.
    """

    def __init__(
        self, feeds: ClientFeeds, holding: Holding, keep_alive: KeepAlive, form: Form, cursors: Cursors
    ) -> None:
        self._feeds = feeds
        self._holding = holding
        self._keep_alive = keep_alive
        self._form = form
        self._cursors = cursors

    async def __call__(self, client_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI) of somebody who may see all jobs of `client_id`."""
        scope["polling.transport"] = "stream"
        try:
            await self._serve(client_id, scope, receive, send)
        except PollingError as error:
            await send_whole(problem(error, scope), send)

    async def _serve(self, client_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        if self._holding.draining:
            raise going_away()
        cursor = self._cursors.bound_to("client events", client_id)
        place = place_of_numbers(cursor.read(last_event_id(scope)))
        if scope["method"] == "HEAD":
            await send_whole(Answer(200, HEADERS), send)
            return
        stream = ClientStream(self._feeds, self._form, cursor, send)
        feed = self._feeds.follow(client_id, stream)
        try:
            joint = await self._feeds.joint(feed)
            with self._holding.holds(stream, "stream"):
                slot = self._keep_alive.add(stream)
                try:
                    stream.begin(feed, joint, believed(place, joint.place.since))
                    self._holding.catch_up(stream)
                    await stream.sending.until_gone(receive)
                finally:
                    self._keep_alive.discard(stream, slot)
        finally:
            stream.end()
            self._feeds.unfollow(feed, stream)


def believed(place: Place | None, present: Horizon) -> Place | None:
    """A reader's place, unless it lies in the future: then the database was set back, and counts transactions anew.

    Such a reader is shown the present state, as at a first visit.
    """
    if place is None or max(place.since.following, (place.until or place.since).following) > present.following:
        return None
    return place
