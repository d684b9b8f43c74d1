"""One page of a list, and the way to the next."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
from starlette.responses import Response

from polling_api.api.answers import VARY

Item = TypeVar("Item")


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
