"""What became of one request of a job."""

from dataclasses import dataclass

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
