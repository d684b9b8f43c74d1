"""One page of a list, and the way to the next."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import orjson
from starlette.responses import Response

from polling_api.api.answers import VARY
from polling_api.api.cursors import Cursor
from polling_api.errors import BadRequest

Item = TypeVar("Item")

_KEPT_NOWHERE: Final = MappingProxyType({"cache-control": "no-store", "vary": VARY[1].decode()})
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


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
    more: bool | None = None,
    also: Mapping[str, str] = _NOTHING,
    headers: Mapping[str, str] = _KEPT_NOWHERE,
) -> Response:
    """The contract's list, with `Link` to the next page (RFC 8288) where there is one.

    Args:
        path: of the list.
        items: those of the page, and one more where there are more: that tells it without counting; or see `more`.
        limit: how many make a page.
        shown: an item as it is answered.
        parameter: of the query, which says where a page begins.
        place: its value for the page that begins after an item; it is the `next_cursor` too.
        more: whether others follow, for a page that may end before its limit.
        also: what else of the query makes the page.
        headers: beside `Link` and the media type.
    """
    shown_here = items[:limit]
    following = place(shown_here[-1]) if (len(items) > limit if more is None else more) else None
    link: dict[str, str] = {}
    if following is not None:
        query = urlencode({parameter: following, "limit": limit, **also})
        link["link"] = f'<{path}?{query}>; rel="next"'
    body = orjson.dumps(
        {
            "object": "list",
            "data": [shown(item) for item in shown_here],
            "has_more": following is not None,
            "next_cursor": following,
        }
    )
    return Response(body, media_type="application/json", headers={**headers, **link})
