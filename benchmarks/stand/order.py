"""Whether everybody was told everything, once, in order."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from stand.crowd import VERSION, Told

_VERSION = re.compile(VERSION + rb"(\d+)")


def versions_in(chunk: bytes) -> list[int]:
    """The versions that some bytes tell of, in order."""
    return [int(found) for found in _VERSION.findall(chunk)]


class Record:
    """What each connection was told, one change after the other."""

    def __init__(self) -> None:
        self._told: defaultdict[int, list[int]] = defaultdict(list)

    def add(self, told: Iterable[Told]) -> None:
        """Note it."""
        for one in told:
            self._told[one.number] += versions_in(one.chunk)

    def wrong(self, connections: int, expected: Callable[[int], Sequence[int]]) -> Mapping[str, int]:
        """How many versions were missing, doubled or out of order, over so many connections.

        Args:
            connections: their number.
            expected: the versions that the connection of a number should have been told, in order.
        """
        missing = doubled = disordered = 0
        for number in range(connections):
            told = self._told[number]
            missing += len(set(expected(number)) - set(told))
            doubled += len(told) - len(set(told))
            disordered += sum(later < earlier for earlier, later in pairwise(told))
        return {"missing": missing, "doubled": doubled, "out of order": disordered}
