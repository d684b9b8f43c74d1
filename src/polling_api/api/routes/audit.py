"""`GET` of a client's audit log: who did what to its jobs, keys and tokens, newest first, in pages."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import orjson
from starlette.responses import Response

from polling_api.api.answers import VARY
from polling_api.api.cursors import Cursor, Cursors
from polling_api.domain.audit import Place, Recorded, halves, whole
from polling_api.domain.caller import Caller
from polling_api.errors import BadRequest, Refused
from polling_api.representation import audit_document

AuditPage = Callable[[str, Place | None, int], Awaitable[list[Recorded]]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)  # what Postgres, and with it the order of entries, can tell apart


class AuditEndpoint:
    """Pages through what concerns one client.

    Args:
        page: reads the entries of a client from before a place, or the newest, at most so many.
        cursors: by which pages follow one another.
        base: the path of this endpoint.
    """

    def __init__(self, page: AuditPage, cursors: Cursors, base: str) -> None:
        self._page = page
        self._cursors = cursors
        self._base = base

    async def __call__(self, caller: Caller, cursor: str | None, limit: int) -> Response:
        """Answer with the newest entries, or with those before `cursor`, at most `limit` of them.

        Raises:
            Refused: the caller is no client that signs: a token does not reach this far.
            BadRequest: the cursor is not one of this client's log.
            Unavailable: the database does not answer.
        """
        if caller.client_id is None or not caller.signed:
            raise Refused("Only a client itself, by a signed request, reads its audit log.")
        cursors = self._cursors.bound_to("audit", caller.client_id)
        # One more than asked for tells whether there are more, without counting.
        entries = await self._page(caller.client_id, _before(cursor, cursors), limit + 1)
        more, entries = len(entries) > limit, entries[:limit]
        headers = {"cache-control": "no-store", "vary": VARY[1].decode()}
        following = cursors.at(_numbers(entries[-1].place)) if more else None
        if following is not None:
            query = urlencode({"cursor": following, "limit": limit})
            headers["link"] = f'<{self._base}?{query}>; rel="next"'
        body = orjson.dumps(
            {
                "object": "list",
                "data": [audit_document(entry) for entry in entries],
                "has_more": more,
                "next_cursor": following,
            }
        )
        return Response(body, media_type="application/json", headers=headers)


def _before(cursor: str | None, cursors: Cursor) -> Place | None:
    if cursor is None:
        return None
    numbers = cursors.read(cursor)
    if numbers is None:
        raise BadRequest("The cursor is none that this list gave out.", code="bad_cursor")
    ticks, high, low = numbers
    return Place(_EPOCH + ticks * _TICK, whole(high, low))


def _numbers(place: Place) -> list[int]:
    return [(place.at - _EPOCH) // _TICK, *halves(place.id)]
