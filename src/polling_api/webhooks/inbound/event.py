"""The provider's event (https://platform.openai.com/docs/api-reference/webhook-events/batch)."""

import re
from typing import Any, cast

import orjson

_ENDS = frozenset({"batch.completed", "batch.failed", "batch.expired", "batch.cancelled"})
_BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")


class MalformedEvent(ValueError):
    """It was signed, and cannot be read."""


def ended_batch(body: bytes) -> str | None:
    """The id of the batch that an event says has ended; None where it is about something else.

    Raises:
        MalformedEvent: it is no event, or names no batch.
    """
    try:
        event = orjson.loads(body)
    except ValueError:
        raise MalformedEvent("The event is not JSON.") from None
    if not isinstance(event, dict):
        raise MalformedEvent("The event is no object.")
    told = cast("dict[str, Any]", event)
    kind = told.get("type")
    if not isinstance(kind, str) or kind not in _ENDS:
        return None
    about = told.get("data")
    batch_id = cast("dict[str, Any]", about).get("id") if isinstance(about, dict) else None
    if not isinstance(batch_id, str) or not _BATCH_ID.fullmatch(batch_id):
        raise MalformedEvent("The event names no batch.")
    return batch_id
