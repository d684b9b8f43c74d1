"""Which of the things that can happen does: a schedule says it, and a schedule can be written down."""

from random import Random
from typing import Protocol

Deviations = tuple[tuple[int, int], ...]
"""A schedule: at which choice another than the first possibility was taken, and which; in order."""


class Chooser(Protocol):
    """Takes one possibility of several."""

    def choose(self, possibilities: int) -> int:
        """Its number, from 0; that of the first is what happens if all goes as usual."""
        ...


class Scripted:
    """Does what a schedule says, and beyond it what is usual.

    Attributes:
        taken: what it says.
        widths: how many possibilities there were at each choice.
    """

    __slots__ = ("_deviations", "taken", "widths")

    def __init__(self, deviations: Deviations = ()) -> None:
        self.taken = deviations
        self._deviations = dict(deviations)
        self.widths: list[int] = []

    def choose(self, possibilities: int) -> int:
        """See `Chooser`; a number that is not among the possibilities counts as the last of them."""
        chosen = self._deviations.get(len(self.widths), 0)
        self.widths.append(possibilities)
        return chosen if chosen < possibilities else possibilities - 1


class Wandering:
    """Does the unusual now and then.

    Args:
        random: decides.
        share: of the choices that are unusual, from 0 to 1.
    """

    __slots__ = ("_at", "_random", "_share", "_taken")

    def __init__(self, random: Random, share: float) -> None:
        self._random = random.random
        self._share = share
        self._at = -1
        self._taken: list[tuple[int, int]] = []

    @property
    def taken(self) -> Deviations:
        """What was chosen."""
        return tuple(self._taken)

    def choose(self, possibilities: int) -> int:
        """See `Chooser`."""
        self._at += 1
        if possibilities == 1 or self._random() >= self._share:
            return 0
        chosen = 1 + int(self._random() * (possibilities - 1))
        self._taken.append((self._at, chosen))
        return chosen


def written(world: str, deviations: Deviations) -> str:
    """A schedule as `make model SCHEDULE=…` takes it: `world@12:1,40:3`."""
    return f"{world}@" + ",".join(f"{at}:{chosen}" for at, chosen in deviations)


def read(text: str) -> tuple[str, Deviations]:
    """The world and the deviations of a schedule that was written down.

    Raises:
        ValueError: it is none.
    """
    world, _, rest = text.partition("@")
    pairs = [one.split(":") for one in rest.split(",") if one]
    return world, tuple((int(at), int(chosen)) for at, chosen in pairs)
