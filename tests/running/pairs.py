"""Whether two things take equally long, told from pairs of them on a machine that is busy with others."""

from math import comb
from typing import NamedTuple


class Pair(NamedTuple):
    """How long two things took, in seconds, which were done one after the other, in an order drawn by chance."""

    one: float
    other: float


def chance_of(pairs: list[Pair]) -> float:
    """How likely it is, at the most, that one wins or loses so many pairs, if both take equally long (sign test).

    It holds whatever the machine does meanwhile: whatever slows down one of a pair slows down the other as likely,
    since the order is drawn. No figure of the machine enters, so a threshold on this one is never too narrow.
    """
    decided = [pair for pair in pairs if pair.one != pair.other]
    count = len(decided)
    won = sum(pair.one > pair.other for pair in decided)
    extreme = max(won, count - won)
    return min(1.0, 2 * sum(comb(count, number) for number in range(extreme, count + 1)) / 2**count)


def share_of(pairs: list[Pair]) -> float:
    """In which share of the pairs the one took longer."""
    return sum(pair.one > pair.other for pair in pairs) / len(pairs)
