"""A batch's output and error files, made from its input file while they are read.

Which items have an answer depends on their index alone, so nothing but the input is kept, and 50,000 items
stream in constant memory. Like the real ones, the files are not in the order of the input.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from polling_api.providers.simulator.answers import answer
from polling_api.providers.simulator.course import BatchRecord, BatchState, Counts
from polling_api.providers.simulator.input import request_of

_BLOCK = 8  # lines whose order is turned round: enough to fail a reader that counts on the order

_UNDONE = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was not executed before the batch was cancelled."),
}


def output_file(record: BatchRecord, state: BatchState, lines: Iterable[bytes]) -> Iterator[bytes]:
    """The answers, a line each, from the lines of the input."""
    return _written(
        lines,
        lambda index: _answered(index, state.counts),
        lambda index, request: _answer(record, index, request),
    )


def error_file(record: BatchRecord, state: BatchState, lines: Iterable[bytes]) -> Iterator[bytes]:
    """The items without an answer, a line each: failed, or left undone when the batch ended."""

    def describe(index: int, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if index < state.counts.done:
            return _refusal(record, index, request)
        code, message = _UNDONE[state.status]
        return _line(record, index, request, None, {"code": code, "message": message})

    return _written(lines, lambda index: not _answered(index, state.counts), describe)


def _written(
    lines: Iterable[bytes],
    wanted: Callable[[int], bool],
    describe: Callable[[int, Mapping[str, Any]], Mapping[str, Any]],
) -> Iterator[bytes]:
    requests = enumerate(line for line in lines if line)
    chosen = ((index, line) for index, line in requests if wanted(index))
    while block := list(islice(chosen, _BLOCK)):
        for index, line in reversed(block):
            yield json.dumps(describe(index, request_of(line) or {}), separators=(",", ":")).encode() + b"\n"


def _answered(index: int, counts: Counts) -> bool:
    """Whether the item has an answer: the first `done` have an outcome, failures are spread over these."""
    if index >= counts.done:
        return False
    return (index + 1) * counts.failed // counts.done == index * counts.failed // counts.done


def _answer(record: BatchRecord, index: int, request: Mapping[str, Any]) -> Mapping[str, Any]:
    body = answer(
        record.endpoint,
        request.get("body") or {},
        seed=f"{record.id}:{index}",
        created=int(record.created_at),
    )
    return _line(record, index, request, {"status_code": 200, "body": body}, None)


def _refusal(record: BatchRecord, index: int, request: Mapping[str, Any]) -> Mapping[str, Any]:
    error = {
        "message": "The request was refused, as the simulation asks for.",
        "type": "invalid_request_error",
        "param": None,
        "code": "simulated_item_failure",
    }
    return _line(record, index, request, {"status_code": 400, "body": {"error": error}}, None)


def _line(
    record: BatchRecord,
    index: int,
    request: Mapping[str, Any],
    response: Mapping[str, Any] | None,
    error: Mapping[str, str] | None,
) -> Mapping[str, Any]:
    digest = hashlib.sha256(f"{record.id}/{index}".encode()).hexdigest()[:32]
    return {
        "id": f"batch_req_{digest}",
        "custom_id": request.get("custom_id"),
        "response": response and {**response, "request_id": digest},
        "error": error,
    }
