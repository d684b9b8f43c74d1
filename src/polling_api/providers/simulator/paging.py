"""Lists with a cursor, as OpenAI's: `after` an id, up to `limit`, and whether there is more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.datastructures import QueryParams

from polling_api.providers.simulator.errors import ApiError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """What is shown of a list."""

    shown: Sequence[T]
    has_more: bool


def page_of(listed: Sequence[tuple[str, T]], query: QueryParams, *, default: int, most: int) -> Page[T]:
    """Cut one page out of a list.

    Args:
        listed: ids and entries, in the order of the list.
        query: `limit` and `after`.
        default: how many are shown if none are asked for.
        most: how many may be asked for.

    Raises:
        ApiError: 400, for a bad `limit` or an `after` that is not listed.
    """
    limit = _limit(query.get("limit"), default, most)
    first = _start([key for key, _ in listed], query.get("after"))
    shown = [entry for _, entry in listed[first : first + limit]]
    return Page(shown, has_more=first + limit < len(listed))


def _limit(text: str | None, default: int, most: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):  # noqa: PLR2004
        raise ApiError(400, f"Invalid 'limit': it is an integer from 1 to {most}.", code="invalid_value", param="limit")
    return int(text)


def _start(keys: Sequence[str], after: str | None) -> int:
    if after is None:
        return 0
    if after not in keys:
        raise ApiError(
            400,
            f"Invalid 'after': nothing is listed as '{after[:100]}'.",
            code="invalid_value",
            param="after",
        )
    return keys.index(after) + 1
