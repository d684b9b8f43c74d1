"""Where the provider says by itself that a batch has ended (Standard Webhooks)."""

import time
from collections.abc import Callable, Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from polling_api import metrics
from polling_api.api.bodies import collected
from polling_api.errors import BadRequest, Unauthenticated, Unavailable
from polling_api.webhooks.inbound import MalformedEvent, Repeats, ended_batch
from polling_api.webhooks.places import UPSTREAM
from polling_api.webhooks.standard import BadSignature, verified

MOST_BYTES = 64 * 1024  # an event has some 200
ROOM_IN = 1  # second; what waits is gone by then


class PushesEndpoint:
    """Takes events. What is not signed by the provider ends here, before anything is asked of anybody.

    Args:
        keys: the provider's, of which one signs.
        take: has the job of a batch made due in a moment; answers whether there was room for it.
        clock: gives Unix seconds.
    """

    def __init__(
        self, keys: Sequence[bytes], take: Callable[[str], bool], clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._take = take
        self._clock = clock
        self._repeats = Repeats()

    async def receive(self, request: Request) -> Response:
        """Take one event: `204`, whatever comes of it.

        Raises:
            TooLarge: it is longer than any.
            Unauthenticated: the provider has not signed it (`invalid_signature`).
            BadRequest: it is signed, and cannot be read.
            Unavailable: too many wait; the provider sends it again.
        """
        body = await collected(request, MOST_BYTES)
        try:
            message = verified(self._keys, request.headers, body, now=self._clock())
        except BadSignature as error:
            metrics.PUSHES.labels("forged").inc()
            raise Unauthenticated(str(error), code="invalid_signature") from None
        if message.id in self._repeats:
            metrics.PUSHES.labels("repeated").inc()
        else:
            self._hear(body)
            self._repeats.add(message.id)
        return Response(status_code=204, headers={"cache-control": "no-store"})

    def _hear(self, body: bytes) -> None:
        try:
            batch_id = ended_batch(body)
        except MalformedEvent as error:
            metrics.PUSHES.labels("malformed").inc()
            raise BadRequest(str(error)) from None
        if batch_id is None:
            metrics.PUSHES.labels("other").inc()
        elif not self._take(batch_id):
            metrics.PUSHES.labels("full").inc()
            raise Unavailable("Too many events wait.", retry_after=ROOM_IN)


def pushes_router(endpoint: PushesEndpoint) -> APIRouter:
    """The route, which is the provider's alone and in no document for clients."""
    router = APIRouter()
    router.add_api_route(UPSTREAM, endpoint.receive, methods=["POST"], include_in_schema=False, response_class=Response)
    return router
