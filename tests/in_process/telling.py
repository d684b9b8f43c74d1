"""A provider that answers at once, in the test's own process, with what the test says of all its batches."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from polling_api.domain.advance import Observed
from polling_api.domain.job import Status
from polling_api.providers.protocol import Batch, ProviderError, Submission, Told


class TellingProvider:
    """All batches are in progress, with so many items done.

    Attributes:
        completed: items of each batch.
        asked: how often it was asked after batches.
        looked_at: of how many, in all.
    """

    name = "simulator"

    def __init__(self) -> None:
        self.completed = 0
        self.asked = 0
        self.looked_at = 0

    async def observe(self, batch_ids: Sequence[str]) -> Mapping[str, Batch | ProviderError]:
        """See `Provider`."""
        self.asked += 1
        self.looked_at += len(batch_ids)
        observed = Observed(Status.IN_PROGRESS, completed=self.completed, failed=0)
        return {batch_id: Batch(batch_id, None, observed) for batch_id in batch_ids}

    async def submit(self, submission: Submission) -> Batch:
        """See `Provider`; nothing is submitted here."""
        raise NotImplementedError(submission.job_id)

    async def find(self, job_id: str, *, created_after: datetime) -> Batch | None:
        """See `Provider`; nothing is looked for here."""
        raise NotImplementedError(job_id, created_after)

    async def cancel(self, batch_id: str) -> Batch:
        """See `Provider`; nothing is cancelled here."""
        raise NotImplementedError(batch_id)

    def results(self, batch: Batch) -> AsyncIterator[Told]:
        """See `Provider`; nothing ends here."""
        raise NotImplementedError(batch.id)

    async def close(self) -> None:
        """See `Provider`."""
