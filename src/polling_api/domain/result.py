"""What became of one request of a job, and what a provider told that fits none."""

from dataclasses import dataclass
from enum import StrEnum

from polling_api.domain.job import JobError, Outcome


@dataclass(frozen=True, slots=True)
class ItemResult:
    """The outcome of one request, as the provider told it.

    `response` is the JSON text of `{"status_code","body"}`; text, so that what the provider sent is kept as it was.
    """

    custom_id: str
    outcome: Outcome
    response: str | None = None
    error: JobError | None = None


class StrayKind(StrEnum):
    """Why something that the provider told cannot be stored as a result."""

    UNREADABLE = "unreadable"
    OVERLONG = "overlong"
    UNKNOWN_ITEM = "unknown_item"
    CONTRADICTION = "contradiction"


@dataclass(frozen=True, slots=True)
class Stray:
    """Something that the provider told and that fits no item of the job, or not what it had told of it before.

    `line` is the beginning of what was told; `custom_id` is there where it could be read.
    """

    kind: StrayKind
    line: str
    custom_id: str | None = None
