"""What a provider tells of a batch's items, taken in: results stored, and what fits no item kept and counted."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from polling_api import metrics
from polling_api.domain.result import ItemResult, Stray, StrayKind
from polling_api.monitor.ledger import Ledger
from polling_api.providers.protocol import ProviderError, Told
from polling_api.store.strays import LONGEST_LINE, MOST_KEPT

MOST_ROWS = 1000  # a transaction: a longer one hides later commits from those who replay
MOST_CHARACTERS = 4 * 1024 * 1024  # a chunk: what an errand holds in memory

Wanted = Callable[[ItemResult], bool]
Numbered = Sequence[tuple[int, ItemResult]]


@dataclass(slots=True)
class Fetched:
    """What one try brought: so many things told, `new` results among them, and strays by kind."""

    told: int = 0
    new: int = 0
    strays: Counter[StrayKind] = field(default_factory=Counter[StrayKind])


async def take_in(ledger: Ledger, job_id: str, told: AsyncIterator[Told], wanted: Wanted) -> Fetched:
    """Store what is told of a job, a chunk at a time.

    Args:
        ledger: for all that is written.
        job_id: the job.
        told: the whole of it, from the start: its place tells a stray that is told anew from another.
        wanted: whether a result has to be stored.

    Raises:
        ProviderError, TimeoutError: the stream broke, or took too long; what came before is stored.
        Unavailable: the database does not answer.
    """
    fetched = Fetched()
    async for chunk in chunks(told):
        await _take_in(ledger, job_id, chunk, wanted, fetched)
    for kind, count in fetched.strays.items():
        metrics.STRAYS.labels(kind.value).inc(count)
    return fetched


async def _take_in(ledger: Ledger, job_id: str, chunk: Sequence[Told], wanted: Wanted, fetched: Fetched) -> None:
    numbered = list(enumerate(chunk, start=fetched.told))
    results = [(number, told) for number, told in numbered if isinstance(told, ItemResult) and wanted(told)]
    added = await ledger.store_results(job_id, [result for _, result in results])
    strays = [(number, told) for number, told in numbered if isinstance(told, Stray)]
    strays += _misfits(StrayKind.UNKNOWN_ITEM, results, added.unknown)
    strays += _misfits(StrayKind.CONTRADICTION, results, added.contradicting)
    if strays and fetched.strays.total() < MOST_KEPT:
        await ledger.keep_strays(job_id, strays)
    fetched.told += len(chunk)
    fetched.new += added.new
    fetched.strays.update(stray.kind for _, stray in strays)


def _misfits(kind: StrayKind, results: Numbered, places: Sequence[int]) -> list[tuple[int, Stray]]:
    return [
        (number, Stray(kind, _line(result), result.custom_id)) for number, result in map(results.__getitem__, places)
    ]


def _line(result: ItemResult) -> str:
    """What was told, in words that a person can compare with what is stored."""
    error = result.error and {"code": result.error.code, "message": result.error.message}
    response = result.response and result.response[:LONGEST_LINE]
    return json.dumps({"outcome": result.outcome, "error": error, "response": response}, ensure_ascii=False)


async def within(told: AsyncIterator[Told], seconds: float) -> AsyncIterator[Told]:
    """Hand on what is told in so many seconds.

    The limit is on the stream alone, so that what has been told by then can still be stored.

    Raises:
        TimeoutError: there may be more.
    """
    until = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            async with asyncio.timeout_at(until):
                one = await anext(told)
        except StopAsyncIteration:
            return
        yield one


async def chunks(told: AsyncIterator[Told]) -> AsyncIterator[list[Told]]:
    """Gather what is told, at most 1,000 things and some 4 MiB at a time.

    Raises:
        ProviderError, TimeoutError: the stream broke, or took too long; what came before has been yielded.
    """
    chunk: list[Told] = []
    size = 0
    try:
        async for one in told:
            chunk.append(one)
            size += len(one.line if isinstance(one, Stray) else one.response or "")
            if len(chunk) >= MOST_ROWS or size >= MOST_CHARACTERS:
                yield chunk
                chunk, size = [], 0
    except (ProviderError, TimeoutError):
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk
