"""A read that is cancelled leaves nobody waiting, and nobody who asks later joins it."""

import asyncio
from collections.abc import Collection, Mapping

import pytest
from prometheus_client import Counter

from polling_api.errors import Unavailable
from polling_api.resilience.coalesce import CoalescedReads

READS = Counter("reads_of_a_test", "Of this file alone.", ("source",), registry=None)


async def test_a_read_that_is_cancelled_is_told_at_once_and_the_next_is_made_anew() -> None:
    breaks = [True]

    async def read(ids: Collection[str]) -> Mapping[str, str]:
        if breaks.pop():
            raise asyncio.CancelledError
        return dict.fromkeys(ids, "there")

    reads = CoalescedReads(read, READS)
    with pytest.raises(Unavailable, match="broken off"):
        await reads.get("one")
    breaks.append(False)

    assert await reads.get("one") == "there"
