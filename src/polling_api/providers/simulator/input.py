"""The batch input file: one request a line."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from polling_api.providers.simulator.course import InputError

MOST_REQUESTS = 50_000  # OpenAI's bound on a batch
MOST_ERRORS = 20  # of one file that are told: enough to see a pattern, and a bounded record
LONGEST_LINE = 16 * 1024 * 1024  # bytes; a line is parsed whole


@dataclass(frozen=True, slots=True)
class CheckedInput:
    """How many requests a file has, and what is wrong with them."""

    total: int
    errors: tuple[InputError, ...]


def lines_of(path: Path) -> Iterator[bytes]:
    """Read the lines of a file, with empty ones, one at a time; one that is too long comes in pieces."""
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            yield line.strip()


def check_input(lines: Iterable[bytes], endpoint: str) -> CheckedInput:
    """Validate an input file as OpenAI does after a batch was created."""
    seen: set[int] = set()  # hashes of custom ids: 50,000 long ids would be megabytes
    errors: list[InputError] = []
    total = 0
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        total += 1
        fault = _fault_of(line, number, endpoint, seen)
        if total > MOST_REQUESTS:
            fault = InputError("too_many_tasks", f"The batch has more than {MOST_REQUESTS} requests.")
        if fault:
            errors.append(fault)
        if len(errors) == MOST_ERRORS or total > MOST_REQUESTS:
            break
    if not total:
        errors.append(InputError("empty_file", "The input file is empty. Please ensure that it has requests."))
    return CheckedInput(total, tuple(errors))


def request_of(line: bytes) -> Mapping[str, Any] | None:
    """Read one line; None where it is no JSON object."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", request) if isinstance(request, dict) else None


def _fault_of(line: bytes, number: int, endpoint: str, seen: set[int]) -> InputError | None:
    request = request_of(line)
    if request is None:
        return InputError("invalid_json_line", "This line is not parseable as valid JSON.", number)
    for name, kind in (("custom_id", str), ("method", str), ("url", str), ("body", dict)):
        if not isinstance(request.get(name), kind):
            return InputError("missing_required_parameter", f"Missing required parameter: '{name}'.", number, name)
    if request["method"] != "POST":
        return InputError("invalid_method", "The method of a request in a batch is POST.", number, "method")
    if request["url"] != endpoint:
        told = f"The URL '{request['url'][:100]}' does not match the batch's endpoint '{endpoint}'."
        return InputError("url_mismatch", told, number, "url")
    return _duplicate(request["custom_id"], number, seen)


def _duplicate(custom_id: str, number: int, seen: set[int]) -> InputError | None:
    if hash(custom_id) in seen:
        told = f"The custom_id '{custom_id[:100]}' is used by another request; it must be unique in a batch."
        return InputError("duplicate_custom_id", told, number, "custom_id")
    seen.add(hash(custom_id))
    return None
