"""The one seam to the outside provider.

ProviderError
├── Rejected       refused for good: asking again gives the same answer
├── UnknownBatch   the provider has no such batch
└── Unanswered     no usable answer: time out, dropped connection, 429, 5xx, garbage; asking again may help
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from polling_api.domain.advance import Observed
from polling_api.domain.job import JobError
from polling_api.domain.result import ItemResult, Stray

Told = ItemResult | Stray
"""One thing that a provider says of a batch's items."""


async def _nothing_to_ask() -> None:
    """Who submits is the only one who does."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A job to be handed over.

    `lines` gives a fresh iteration over the lines of the OpenAI batch input format, without newlines, each time it
    is called. `script` is the simulator's course; no other metadata of the client leaves the house. `make_sure` is
    awaited just before the batch is made, as what comes before may take long, and raises where none may be made any
    more.
    """

    job_id: str
    endpoint: str
    lines: Callable[[], AsyncIterator[bytes]]
    script: str | None = None
    make_sure: Callable[[], Awaitable[None]] = _nothing_to_ask


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as the provider describes it now.

    `job_id` is ours, read back from the upstream metadata. `error` says why a batch failed as a whole. The file ids
    are set as soon as there is something to fetch.
    """

    id: str
    job_id: str | None
    observed: Observed
    error: JobError | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None


class ProviderError(Exception):
    """Base of what a provider's call may raise."""


class Rejected(ProviderError):
    """Refused for good; `error` is fit for the job's own `error`."""

    def __init__(self, error: JobError) -> None:
        super().__init__(error.message)
        self.error = error


class UnknownBatch(ProviderError):
    """The provider has no batch of that id."""


class Unanswered(ProviderError):
    """No usable answer came in time.

    Args:
        reason: one sentence for the log.
        retry_after: seconds the provider asked us to wait, if it did.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Provider(Protocol):
    """A batch API. Every call has a deadline of its own and raises only `ProviderError`."""

    name: str

    async def submit(self, submission: Submission) -> Batch:
        """Hand the job over. Never retried blindly: after `Unanswered` the caller must `find` before it submits again.

        Raises:
            Rejected: the provider will not take it.
            Unanswered: it may or may not have been taken.
        """
        ...

    async def find(self, job_id: str, *, created_after: datetime) -> Batch | None:
        """Look for the batch that carries our `job_id` in its metadata, among those created since then.

        Raises:
            Unanswered: it cannot be said whether there is one.
        """
        ...

    async def observe(self, batch_ids: Sequence[str]) -> Mapping[str, Batch | ProviderError]:
        """Ask after many batches, with as few calls as the provider allows.

        Returns:
            For each id its batch, or what went wrong with it alone.
        """
        ...

    async def cancel(self, batch_id: str) -> Batch:
        """Ask for a batch to be cancelled; one that has ended already is returned as it is.

        Raises:
            UnknownBatch: there is no such batch.
            Unanswered: it may or may not have been cancelled.
        """
        ...

    def results(self, batch: Batch) -> AsyncIterator[Told]:
        """Stream every result there is, in the provider's order, never whole in memory.

        What cannot be read as a result comes in its place as a `Stray`, and stops nothing. The same batch gives the
        same stream, in the same order, each time.

        Raises:
            Unanswered: the stream broke; what was yielded is good, and a new call starts over.
        """
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
