"""Asking after many batches with few calls."""

import asyncio
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from polling_api.providers.openai.calls import Answer, Calls
from polling_api.providers.openai.listing import Page, read_page
from polling_api.providers.openai.wire import members, read_batch
from polling_api.providers.protocol import Batch, ProviderError, Unanswered, UnknownBatch

WORTH_A_PAGE = 2  # batches found: a page that finds one costs no less than asking after it
PATIENCE = 3  # retrievals without an answer in a row; then the rest of a sweep is not asked after


async def observe(calls: Calls, batch_ids: Iterable[str], *, workers: int) -> Mapping[str, Batch | ProviderError]:
    """Take what list pages show while they save calls, and retrieve the rest one by one.

    Args:
        calls: to the provider.
        batch_ids: to ask after.
        workers: retrievals at once.

    Returns:
        For each id its batch, or what went wrong with it alone.
    """
    missing = dict.fromkeys(batch_ids)
    found = await _from_list(calls, missing)
    asked = await _one_by_one(calls, [batch_id for batch_id in missing if batch_id not in found], workers)
    return found | asked


async def retrieve(calls: Calls, batch_id: str) -> Batch:
    """Ask after one batch.

    Raises:
        UnknownBatch: there is none of that id.
        Unanswered: no usable answer came.
    """
    return described(await calls.retried("retrieve", "GET", f"/batches/{quote(batch_id, safe='')}"), batch_id)


def described(answer: Answer, batch_id: str) -> Batch:
    """Read the answer of a call on one batch.

    Raises:
        UnknownBatch: there is none of that id. Only an error object says so: a proxy's own 404 does not.
        Unanswered: it does not describe the batch that was asked for.
    """
    if answer.status == 404 and members(answer.body).get("error"):  # noqa: PLR2004
        raise UnknownBatch(f"The provider knows no batch {batch_id}.")
    if answer.refused:
        raise Unanswered(f"The provider answered for batch {batch_id} with {answer.status}.")
    batch = read_batch(answer.body)
    if batch.id != batch_id:
        raise Unanswered(f"The provider described batch {batch.id} when asked for {batch_id}.")
    return batch


async def _from_list(calls: Calls, sought: Iterable[str]) -> dict[str, Batch | ProviderError]:
    """Read pages while each finds enough; a list that cannot be read leaves all to be retrieved."""
    missing, found = set(sought), dict[str, Batch | ProviderError]()
    after: str | None = None
    while len(missing) >= WORTH_A_PAGE:
        try:
            page = await read_page(calls, after)
        except Unanswered as error:
            # Told to wait: asking hundreds of times more would be worse than no news this time.
            return found | (dict.fromkeys(missing, error) if error.retry_after is not None else {})
        seen = _on_page(page, missing)
        found |= seen
        missing -= seen.keys()
        after = page.after
        if after is None or len(seen) < WORTH_A_PAGE:
            break
    return found


def _on_page(page: Page, sought: set[str]) -> dict[str, Batch | ProviderError]:
    seen: dict[str, Batch | ProviderError] = {}
    for entry in page.entries:
        batch_id = entry.get("id")
        if isinstance(batch_id, str) and batch_id in sought:
            try:
                seen[batch_id] = read_batch(entry)
            except Unanswered as error:
                seen[batch_id] = error
    return seen


async def _one_by_one(calls: Calls, batch_ids: list[str], workers: int) -> dict[str, Batch | ProviderError]:
    """Retrieve each, a few at once, until the provider has stopped answering."""
    answers: dict[str, Batch | ProviderError] = {}
    waiting = iter(batch_ids)
    patience = _Patience()

    async def work() -> None:
        for batch_id in waiting:
            answers[batch_id] = patience.lost or await _retrieved(calls, batch_id)
            patience.note(answers[batch_id])

    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(workers, len(batch_ids))):
            tasks.create_task(work())
    return answers


async def _retrieved(calls: Calls, batch_id: str) -> Batch | ProviderError:
    try:
        return await retrieve(calls, batch_id)
    except ProviderError as error:
        return error


class _Patience:
    """Tells when a provider has stopped answering, so that a sweep of 1,000 does not wait 1,000 times for it.

    `lost` is its last failure by then: when it asked to wait, or failed several times in a row.
    """

    def __init__(self) -> None:
        self.lost: Unanswered | None = None
        self._in_a_row = 0

    def note(self, answer: Batch | ProviderError) -> None:
        """Take what came of one call."""
        self._in_a_row = self._in_a_row + 1 if isinstance(answer, Unanswered) else 0
        if isinstance(answer, Unanswered) and (answer.retry_after is not None or self._in_a_row >= PATIENCE):
            self.lost = answer
