"""How late a worker's event loop was, by its own figures: what it answers is as late."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from stand.figures import Line
from stand.load import get
from stand.wire import ask_once

_BUCKET = re.compile(rb'polling_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)')


@dataclass(frozen=True, slots=True)
class LoopLag:
    """What was told at a moment: how many looks were late by less than so many seconds.

    `url` is of who told it; None of a server that tells nothing.
    """

    url: str | None
    buckets: Mapping[float, float]

    @classmethod
    async def of(cls, url: str | None) -> Self:
        """Ask a worker."""
        metrics = (await ask_once(url, get(url, "/metrics"))).body if url else b""
        return cls(url, {float(bound): float(count) for bound, count in _BUCKET.findall(metrics)})

    async def p99_since(self) -> float:
        """The bound in ms, of those of the figure's buckets, under which 99 in 100 looks were since then."""
        now = await LoopLag.of(self.url)
        since = {bound: count - self.buckets.get(bound, 0) for bound, count in sorted(now.buckets.items())}
        looks = max(since.values(), default=0)
        return next((bound * 1000 for bound, count in since.items() if count >= 0.99 * looks), 0.0)


def lag_line(what: str, lag: Sequence[float]) -> Line:
    """The line about it, of what p99 was in each round."""
    return Line(what=f"{what}: event-loop lag, p99 below", ours=lag, unit="ms", must=50)
