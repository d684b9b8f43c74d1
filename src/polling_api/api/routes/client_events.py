"""`GET` of the events of all of a client's jobs on one stream, which resumes on any node by a signed cursor. Hot."""

from starlette.types import Receive, Scope, Send

from polling_api.api.admission import Admission
from polling_api.api.answers import Answer
from polling_api.api.client_stream import ClientStream
from polling_api.api.cursors import Cursors
from polling_api.api.event_stream import HEADERS
from polling_api.api.forms import asked_form
from polling_api.api.held import send_whole
from polling_api.api.limits import PARTY
from polling_api.api.open_streams import OpenStreams
from polling_api.api.places import place_of_numbers
from polling_api.api.requests import last_event_id, query
from polling_api.domain.places import Horizon, Place
from polling_api.representation import Form
from polling_api.watch import ClientFeeds


class ClientEventsEndpoint:
    """Streams the versions of all of a client's jobs, until the reader goes away or the process does.

    Args:
        feeds: the clients' logs.
        streams: holds them.
        form: of the set this endpoint belongs to.
        cursors: by which readers resume, in whichever set.
    """

    def __init__(self, feeds: ClientFeeds, streams: OpenStreams, form: Form, cursors: Cursors) -> None:
        self._feeds = feeds
        self._streams = streams
        self._form = form
        self._cursors = cursors

    async def __call__(self, client_id: str, admission: Admission, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI) of somebody who was let in and may see all jobs of `client_id`."""
        self._streams.require_staying()
        cursor = self._cursors.bound_to("client events", client_id)
        place = place_of_numbers(cursor.read(last_event_id(scope)))
        if scope["method"] == "HEAD":
            await send_whole(Answer(200, HEADERS), scope, send)
            return
        stream = ClientStream(self._feeds, asked_form(self._form, query(scope)), cursor, scope, send)
        feed = self._feeds.follow(client_id, stream)
        try:
            joint = await self._feeds.joint(feed)
            with self._streams.held(stream, admission, scope.get(PARTY)):
                stream.begin(feed, joint, believed(place, joint.place.since))
                await self._streams.until_gone(stream, receive)
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
