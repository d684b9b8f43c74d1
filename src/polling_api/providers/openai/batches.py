"""The `Provider` that speaks the OpenAI Batch API."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from polling_api.providers.openai.calls import Answer, Calls
from polling_api.providers.openai.listing import find
from polling_api.providers.openai.observing import described, observe, retrieve
from polling_api.providers.openai.results import results
from polling_api.providers.openai.spool import spooled
from polling_api.providers.openai.wire import error_of, members, read_batch
from polling_api.providers.protocol import Batch, ProviderError, Rejected, Submission, Told, Unanswered
from polling_api.resilience.breaker import Breaker

_CONFLICT = 409


class OpenAIBatches:
    """Batches of an API that speaks OpenAI's wire: the real one, or the simulator.

    Args:
        base_url: the API's address, as `https://api.openai.com/v1`.
        api_key: the bearer token, None where the server needs none.
        name: what jobs say of their provider: `openai` or `simulator`.
        timeout: seconds for one attempt at a call, and for each silence within a transfer. A call that is
            tried again takes at most twice as long and 5 s; an upload 10 minutes, a download an hour.
        concurrency: calls at once.
        circuit: see `Calls`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None,
        name: str,
        timeout: float,
        concurrency: int,
        circuit: Breaker | None = None,
    ) -> None:
        self.name = name
        self._calls = Calls(base_url, api_key=api_key, timeout=timeout, concurrency=concurrency, circuit=circuit)
        self._concurrency = concurrency

    async def submit(self, submission: Submission) -> Batch:
        """Upload the input, then create the batch; the upload may be tried again, the creation never is.

        Raises:
            Rejected: the provider will not take it.
            Unanswered: it may or may not have been taken.
            Exception: what `submission.make_sure` raises; then no batch was made.
        """
        async with spooled(submission.lines()) as lines:
            uploaded = await self._calls.upload(
                "upload",
                "/files",
                data={"purpose": "batch"},
                files={"file": (f"{submission.job_id}.jsonl", lines, "application/jsonl")},
            )
        input_file_id = members(_accepted(uploaded)).get("id")
        if not isinstance(input_file_id, str):
            raise Unanswered("The provider took the input and gave it no id.")
        await submission.make_sure()
        created = await self._calls.once("create", "POST", "/batches", json=_creation(submission, input_file_id))
        return read_batch(_accepted(created))

    async def find(self, job_id: str, *, created_after: datetime) -> Batch | None:
        """Look for the batch whose metadata carry `job_id`, among those created since then.

        Raises:
            Unanswered: it cannot be said whether there is one.
        """
        return await find(self._calls, job_id, created_after)

    async def observe(self, batch_ids: Sequence[str]) -> Mapping[str, Batch | ProviderError]:
        """Ask after many batches: by pages of the list while these save calls, then one by one.

        Returns:
            For each id its batch, or what went wrong with it alone.
        """
        return await observe(self._calls, batch_ids, workers=self._concurrency)

    async def cancel(self, batch_id: str) -> Batch:
        """Ask for a batch to be cancelled; one that has ended already is returned as it is.

        Raises:
            UnknownBatch: there is no such batch.
            Unanswered: it may or may not have been cancelled.
        """
        answer = await self._calls.retried("cancel", "POST", f"/batches/{quote(batch_id, safe='')}/cancel")
        if answer.status in {400, _CONFLICT}:  # it has ended, or is about to: both have been seen to say so
            return await retrieve(self._calls, batch_id)
        return described(answer, batch_id)

    def results(self, batch: Batch) -> AsyncIterator[Told]:
        """Stream every result there is, and what cannot be read as one, in the provider's order.

        Raises:
            Unanswered: the stream broke; what was yielded is good, and a new call starts over.
        """
        return results(self._calls, batch)

    async def close(self) -> None:
        """Give back connections."""
        await self._calls.close()


def _creation(submission: Submission, input_file_id: str) -> Mapping[str, object]:
    metadata = {"polling_job_id": submission.job_id}
    if submission.script is not None:
        metadata["simulator"] = submission.script
    return {
        "input_file_id": input_file_id,
        "endpoint": submission.endpoint,
        "completion_window": "24h",
        "metadata": metadata,
    }


def _accepted(answer: Answer) -> object:
    if answer.status == _CONFLICT:
        raise Unanswered("The provider says that the submission conflicts with another.")
    if answer.refused:
        raise Rejected(error_of(answer.body))
    return answer.body
