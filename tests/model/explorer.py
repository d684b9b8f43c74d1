"""Which schedules are played: all with few deviations from what is usual, and then many with more, by chance.

After M. Musuvathi, S. Qadeer, "Iterative Context Bounding for Systematic Testing of Multithreaded Programs" (PLDI 2007)
and M. Emmi, S. Qadeer, Z. Rakamarić, "Delay-Bounded Scheduling" (POPL 2011): most mistakes show with very few.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Final

from model.choices import Deviations, Scripted, Wandering
from model.playing import play
from model.rules import Broken
from model.world import World

MOVED_UP: Final = 5  # choices that may be lacking where something unusual is left out

Build = Callable[[], World]


@dataclass(slots=True)
class Explored:
    """What came of many schedules.

    Attributes:
        played: a number for each schedule that was played.
        checked: how often a rule was held against something.
        found: the schedule in which a rule was broken, and which.
    """

    played: set[int] = field(default_factory=set[int])
    checked: int = 0
    found: tuple[Deviations, Broken] | None = None

    def add(self, other: "Explored") -> None:
        """Take in what came of others."""
        self.played |= other.played
        self.checked += other.checked
        self.found = self.found or other.found

    def play(self, build: Build, chooser: Scripted | Wandering) -> Broken | None:
        """Play one."""
        ended = play(build, chooser)
        self.played.add(hash(chooser.taken))
        self.checked += ended.checked
        return ended.broken


def explore(
    build: Build,
    deviations: int,
    *,
    first: Iterable[Deviations] = ((),),
    most: float = inf,
) -> Explored:
    """Play all schedules with at most so many deviations, those with fewer first, until a rule is broken.

    Args:
        build: makes the world.
        deviations: at most so many beyond those of `first`.
        first: the schedules that all others begin with.
        most: schedules.
    """
    explored = Explored()
    level = list(first)
    for more in range(deviations + 1):
        following: list[Deviations] = []
        for schedule in level:
            if len(explored.played) >= most:
                return explored
            chooser = Scripted(schedule)
            broken = explored.play(build, chooser)
            if broken is not None:
                explored.found = schedule, broken
                return explored
            if more < deviations:
                following += _further(schedule, chooser.widths)
        level = following
    return explored


def first_steps(build: Build) -> list[Deviations]:
    """All schedules with one deviation."""
    chooser = Scripted()
    play(build, chooser)
    return list(_further((), chooser.widths))


def wander(build: Build, seeds: Iterable[int], share: float) -> Explored:
    """Play a schedule by chance for each seed, until a rule is broken; `share` of the choices are unusual."""
    explored = Explored()
    for seed in seeds:
        chooser = Wandering(Random(seed), share)  # noqa: S311 - it has to be the same again
        broken = explored.play(build, chooser)
        if broken is not None:
            explored.found = shrunk(build, chooser.taken, broken)
            break
    return explored


def shrunk(build: Build, schedule: Deviations, broken: Broken) -> tuple[Deviations, Broken]:
    """Leave out of a schedule what it does not need for a rule to be broken, and make its choices more usual."""
    simpler = True
    while simpler:
        simpler = False
        for candidate in _simpler(schedule):
            again = play(build, Scripted(candidate)).broken
            if again is not None:
                schedule, broken, simpler = candidate, again, True
                break
    return schedule, broken


def _simpler(schedule: Deviations) -> Iterator[Deviations]:
    """Schedules that are shorter than another, what follows being moved up or not, or do something more usual."""
    for at in reversed(range(len(schedule))):
        before, after = schedule[:at], schedule[at + 1 :]
        for up in range(MOVED_UP):
            moved = tuple((step - up, chosen) for step, chosen in after)
            if not (before and moved) or before[-1][0] < moved[0][0]:
                yield before + moved
    for at, (step, chosen) in enumerate(schedule):
        if chosen > 1:
            yield (*schedule[:at], (step, chosen - 1), *schedule[at + 1 :])


def _further(schedule: Deviations, widths: list[int]) -> Iterator[Deviations]:
    begin = schedule[-1][0] + 1 if schedule else 0
    for at in range(begin, len(widths)):
        for chosen in range(1, widths[at]):
            yield (*schedule, (at, chosen))
