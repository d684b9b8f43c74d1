"""One page of a list, and the way to the next."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
from starlette.responses import Response

from polling_api.api.answers import VARY
from polling_api.api.cursors import Cursor
from polling_api.errors import BadRequest

Item = TypeVar("Item")


def place_in(cursor: str | None, cursors: Cursor) -> list[int] | None:
    """The numbers of the cursor that a page is asked for with; None where it is the first.

    Raises:
        BadRequest: the cursor was not given out by this list (`bad_cursor`).
    """
    if cursor is None:
        return None
    numbers = cursors.read(cursor)
    if numbers is None:
        raise BadRequest("The cursor is none that this list gave out.", code="bad_cursor")
    return numbers


def page_of(
    path: str,
    items: Sequence[Item],
    limit: int,
    *,
    shown: Callable[[Item], dict[str, Any]],
    parameter: str,
    place: Callable[[Item], str],
) -> Response:
    """The contract's list, with `Link` to the next page (RFC 8288) where there is one.

    Args:
        path: of the list.
        items: those of the page, and one more where there are more: that tells it without counting.
        limit: how many make a page.
        shown: an item as it is answered.
        parameter: of the query, which says where a page begins.
        place: its value for the page that begins after an item; it is the `next_cursor` too.
    """
    following = place(items[limit - 1]) if len(items) > limit else None
    headers = {"cache-control": "no-store", "vary": VARY[1].decode()}
    if following is not None:
        query = urlencode({parameter: following, "limit": limit})
        headers["link"] = f'<{path}?{query}>; rel="next"'
    body = orjson.dumps(
        {
            "object": "list",
            "data": [shown(item) for item in items[:limit]],
            "has_more": following is not None,
            "next_cursor": following,
        }
    )
    return Response(body, media_type="application/json", headers=headers)
