"""What processes count together, added up in memory and written into their shared folder 20 times a second.

prometheus-client writes at each count, which takes a system call, a lock, and packing into a mapped file: 5 µs, four
times for each poll. Whoever reads the folder through another process sees counts that are a twentieth of a second old.
"""

import asyncio
from bisect import bisect_left
from typing import Any, cast

from prometheus_client import Counter, Histogram, values

WRITTEN_EVERY = 0.05  # seconds; what a process that is killed counted since is lost

Written: Any = values.ValueClass  # prometheus-client's own: a number in this process, or in the shared folder

_owing: "dict[Tally, None]" = {}


class Tally:
    """A number that a metric consists of; made by prometheus-client, once it is told so (`install`)."""

    __slots__ = ("_owed", "_written")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._written = Written(*arguments, **options)
        self._owed = 0.0

    def inc(self, amount: float) -> None:
        """Count."""
        self._owed += amount
        _owing[self] = None

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Say what the number is, whatever was counted before."""
        self._owed = 0.0
        self._written.set(value, timestamp)

    def get(self) -> float:
        """The number with all that was counted."""
        return self._written.get() + self._owed

    def write(self) -> None:
        """Write what was counted since the last time."""
        owed, self._owed = self._owed, 0.0
        self._written.inc(owed)

    def set_exemplar(self, exemplar: Any) -> None:
        """There are none where figures are shared."""

    def get_exemplar(self) -> None:
        """See `set_exemplar`."""


class QuickCounter(Counter):
    """prometheus-client's, which is told of every answer too.

    Its own `inc` looks whether it may, and whether the amount is negative: as long again as to count.
    """

    def inc(self, amount: float = 1, exemplar: object = None) -> None:  # noqa: ARG002 - see `Tally.set_exemplar`
        """Count an amount, which is not negative; where there are labels, on what `labels` gives."""
        cast("Tally", self._value).inc(amount)  # pyright: ignore[reportUnknownMemberType]


class QuickHistogram(Histogram):
    """prometheus-client's, which is told of every answer, and of every event that each of ten thousand streams is sent.

    Its own `observe` looks twice whether it may, and goes through the buckets one by one: three times as long.
    """

    def observe(self, amount: float, exemplar: object = None) -> None:  # noqa: ARG002 - see `Tally.set_exemplar`
        """Count an amount; where there are labels, on what `labels` gives."""
        self.observe_many(amount, 1)

    def observe_many(self, amount: float, times: int) -> None:
        """Count an amount that came so many times."""
        total, buckets = cast("tuple[Tally, list[Tally]]", (self._sum, self._buckets))  # pyright: ignore[reportUnknownMemberType]
        total.inc(amount * times)
        buckets[bisect_left(self._upper_bounds, amount)].inc(times)


def install() -> None:
    """Have all metrics that are made from now on consist of tallies."""
    values.ValueClass = Tally  # pyright: ignore[reportAttributeAccessIssue]


def write() -> None:
    """Write all that was counted."""
    for tally in _owing:
        tally.write()
    _owing.clear()


async def write_often() -> None:
    """Write again and again, until cancelled."""
    while True:
        await asyncio.sleep(WRITTEN_EVERY)
        write()
