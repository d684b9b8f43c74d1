"""How a result is shown."""

from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from polling_api.domain.fields import Fields, picked
from polling_api.store.result_pages import StoredResult

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])

RESPONSE = "response"


def result_document(item: StoredResult) -> dict[str, Any]:
    """The contract's result; the response goes out as the text the provider sent."""
    return {
        "index": item.index,
        "custom_id": item.custom_id,
        "outcome": item.outcome,
        "response": None if item.response is None else orjson.Fragment(item.response),
        "error": item.error and {"code": item.error.code, "message": item.error.message},
    }


def shown_results(fields: Fields | None) -> Callable[[StoredResult], dict[str, Any]]:
    """How results are shown of which only some members are wanted; None shows all.

    Of a response whose own members are named the text is taken apart, and not read further.
    """
    if fields is None:
        return result_document
    apart = any(name.startswith(f"{RESPONSE}.") for name in fields)

    def shown(item: StoredResult) -> dict[str, Any]:
        document = result_document(item)
        if apart and item.response is not None:
            members = _members.decode(item.response)
            document[RESPONSE] = {name: orjson.Fragment(bytes(member)) for name, member in members.items()}
        return picked(document, fields)

    return shown


def shows_responses(fields: Fields | None) -> bool:
    """Whether anything of the responses is shown, so that they have to be read."""
    return fields is None or any(name.partition(".")[0] == RESPONSE for name in fields)
