"""What the OpenAI Batch API says, read into this service's words. Pure, and believing nothing.

https://platform.openai.com/docs/api-reference/batch describes the objects; each member may be missing or
garbled here, and costs only what it stands for.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast

from polling_api.domain.advance import Observed
from polling_api.domain.job import JobError, Outcome, Status
from polling_api.domain.result import ItemResult
from polling_api.providers.protocol import Batch, Unanswered

LONGEST_RETRY_AFTER = 3600.0  # seconds; a garbled header must not park a provider's jobs for a year
LONGEST_MESSAGE = 1000  # characters of a provider's sentence that are kept, in the database and in every status

_STATUSES = {
    "validating": Status.SUBMITTING,
    "in_progress": Status.IN_PROGRESS,
    "finalizing": Status.FINALIZING,
    "cancelling": Status.CANCELLING,
    "completed": Status.SUCCEEDED,
    "failed": Status.FAILED,
    "expired": Status.EXPIRED,
    "cancelled": Status.CANCELLED,
}
_OUTCOMES = {"batch_expired": Outcome.EXPIRED, "batch_cancelled": Outcome.CANCELLED}
_SECONDS = re.compile(r"\d+(\.\d{1,6})?", re.ASCII)


def read_json(text: bytes) -> object:
    """Parse JSON (RFC 8259).

    The standard library's parser, since it takes half of a surrogate pair, which models do write; `NaN` and
    its like are refused, since Postgres and browsers refuse them.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def members(value: object) -> Mapping[str, object]:
    """The members of a JSON object, none of anything else."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def read_batch(value: object) -> Batch:
    """Read a batch object.

    Raises:
        Unanswered: it has no id, or no status that is known.
    """
    batch = members(value)
    batch_id = _text(batch.get("id"))
    word = batch.get("status")
    status = _STATUSES.get(word) if isinstance(word, str) else None
    if not batch_id or status is None:
        raise Unanswered(f"The provider described batch {batch_id or 'without id'} with the status {str(word)[:40]!r}.")
    completed, failed = _counts(batch.get("request_counts"))
    return Batch(
        id=batch_id,
        job_id=job_id_of(batch),
        observed=Observed(status, completed, failed, expires_at=moment(batch.get("expires_at"))),
        error=_batch_error(batch) if status is Status.FAILED else None,
        output_file_id=_text(batch.get("output_file_id")),
        error_file_id=_text(batch.get("error_file_id")),
    )


def job_id_of(batch: Mapping[str, object]) -> str | None:
    """Our job's id, from a batch's metadata."""
    return _text(members(batch.get("metadata")).get("polling_job_id"))


def read_result(line: bytes) -> ItemResult:
    """Read one line of an output or error file.

    Raises:
        ValueError: it does not say what became of which request.
    """
    answer = members(read_json(line))
    custom_id = _text(answer.get("custom_id"))
    response, error = members(answer.get("response")), members(answer.get("error"))
    status_code = _status_code(response)
    if custom_id is None or (status_code is None and not error):
        raise ValueError("neither response nor error, or no custom_id")
    text = None if status_code is None else _response_text(status_code, response.get("body"))
    if error or status_code is None:
        outcome = _OUTCOMES.get(str(error.get("code")), Outcome.FAILED)
        return ItemResult(custom_id, outcome, text, _error(error, "upstream_error"))
    if 200 <= status_code < 300:  # noqa: PLR2004
        return ItemResult(custom_id, Outcome.COMPLETED, text)
    told = members(members(response.get("body")).get("error"))
    return ItemResult(custom_id, Outcome.FAILED, text, _error(told, f"http_{status_code}"))


def error_of(body: object) -> JobError:
    """What an error answer `{"error":{"message","code","type"}}` says."""
    return _error(members(members(body).get("error")), "upstream_rejected")


def seconds_to_wait(retry_after: str | None, *, now: datetime) -> float | None:
    """Read `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.

    Returns:
        Seconds from now, from 0 to an hour; None where the header is missing or garbled.
    """
    if retry_after is None:
        return None
    if _SECONDS.fullmatch(retry_after.strip()):
        return min(float(retry_after), LONGEST_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def moment(value: object) -> datetime | None:
    """Read Unix seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _text(value: object) -> str | None:
    """A string that Postgres takes: no NUL, no half of a surrogate pair."""
    if not isinstance(value, str) or not value:
        return None
    return value.replace("\0", "").encode(errors="replace").decode()


def _counts(value: object) -> tuple[int | None, int | None]:
    counts = [members(value).get(name) for name in ("total", "completed", "failed")]
    numbers = [count for count in counts if isinstance(count, int) and not isinstance(count, bool) and count >= 0]
    if len(numbers) != len(counts) or numbers[1] + numbers[2] > numbers[0]:
        return None, None
    return numbers[1], numbers[2]


def _batch_error(batch: Mapping[str, object]) -> JobError:
    listed = members(batch.get("errors")).get("data")
    first = members(cast("list[object]", listed)[0] if isinstance(listed, list) and listed else None)
    error = _error(first, "upstream_failed")
    line = first.get("line")
    return JobError(error.code, f"Line {line}: {error.message}") if isinstance(line, int) else error


def _error(told: Mapping[str, object], default: str) -> JobError:
    code = _text(told.get("code")) or _text(told.get("type")) or default
    message = _text(told.get("message")) or "The provider gave no reason."
    return JobError(code[:100], message[:LONGEST_MESSAGE])


def _status_code(response: Mapping[str, object]) -> int | None:
    status_code = response.get("status_code")
    return status_code if isinstance(status_code, int) and not isinstance(status_code, bool) else None


def _response_text(status_code: int, body: object) -> str:
    response = {"status_code": status_code, "body": body}
    text = json.dumps(response, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: only its escape can be stored
        return json.dumps(response, separators=(",", ":"), allow_nan=False)
    return text
