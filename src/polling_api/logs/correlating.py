"""The ids of the request that a log line is about, from wherever the line is written."""

from contextvars import ContextVar
from typing import Any

from structlog.typing import EventDict

# One variable for both, looked into only where a line is written: most requests write none.
_ids: ContextVar[tuple[str, str] | None] = ContextVar("ids of the request", default=None)


def correlate(ids: tuple[str, str]) -> None:
    """Have all lines from here on, in this task and those it starts, say which request they are about.

    Args:
        ids: the correlation id, which is the caller's or ours, and the request's, which is ours.
    """
    _ids.set(ids)


def with_ids(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Put the request's ids into a line that has none of its own."""
    ids = _ids.get()
    if ids is not None:
        event.setdefault("correlation_id", ids[0])
        event.setdefault("request_id", ids[1])
    return event
