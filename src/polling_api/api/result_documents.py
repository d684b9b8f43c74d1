"""How a result is shown."""

from typing import Any

import orjson

from polling_api.store.result_pages import StoredResult


def result_document(item: StoredResult) -> dict[str, Any]:
    """The contract's result; the response goes out as the text the provider sent."""
    return {
        "index": item.index,
        "custom_id": item.custom_id,
        "outcome": item.outcome,
        "response": None if item.response is None else orjson.Fragment(item.response),
        "error": item.error and {"code": item.error.code, "message": item.error.message},
    }
