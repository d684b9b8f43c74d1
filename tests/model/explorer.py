"""Which schedules are played: all with few deviations from what is usual, and then many with more, by chance.

After M. Musuvathi, S. Qadeer, "Iterative Context Bounding for Systematic Testing of Multithreaded Programs" (PLDI 2007)
and M. Emmi, S. Qadeer, Z. Rakamarić, "Delay-Bounded Scheduling" (POPL 2011): most mistakes show with very few.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

from model.choices import Deviations, Scripted, Wandering
from model.playing import play
from model.rules import Broken
from model.world import World

Build = Callable[[], World]


@dataclass(slots=True)
class Explored:
    """What came of many schedules.

    Attributes:
        schedules: how many were played, each another.
        checked: how often a rule was held against something.
        states: a number for each state there was.
        found: the schedule in which a rule was broken, and which.
    """

    schedules: int = 0
    checked: int = 0
    states: set[int] = field(default_factory=set[int])
    found: tuple[Deviations, Broken] | None = None

    def add(self, other: "Explored") -> None:
        """Take in what came of others."""
        self.schedules += other.schedules
        self.checked += other.checked
        self.states |= other.states
        self.found = self.found or other.found


def explore(build: Build, deviations: int, *, first: Iterable[Deviations] = ((),), most: int | None = None) -> Explored:
    """Play all schedules with at most so many deviations, those with fewer first, until a rule is broken.

    Args:
        build: makes the world.
        deviations: at most so many beyond those of `first`.
        first: the schedules that all others begin with.
        most: schedules; None for all.
    """
    explored = Explored()
    level = list(first)
    for more in range(deviations + 1):
        following: list[Deviations] = []
        for schedule in level:
            if explored.schedules == most:
                return explored
            widths = _played(build, schedule, explored)
            if explored.found is not None:
                return explored
            if more < deviations:
                following += _further(schedule, widths)
        level = following
    return explored


def wander(build: Build, seeds: Iterable[int], share: float) -> Explored:
    """Play a schedule by chance for each seed, until a rule is broken; `share` of the choices are unusual."""
    explored = Explored()
    played = set[int]()
    for seed in seeds:
        chooser = Wandering(Random(seed), share)  # noqa: S311 - it has to be the same again
        ended = play(build, chooser, states=explored.states)
        schedule = tuple(chooser.taken)
        played.add(hash(schedule))
        explored.checked += ended.checked
        if ended.broken is not None:
            explored.found = shrunk(build, schedule, ended.broken)
            break
    explored.schedules = len(played)
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
    """Schedules that are shorter than another, or do more usual things or earlier ones; all of them are fewer each time."""
    for at in reversed(range(len(schedule))):
        yield schedule[:at] + schedule[at + 1 :]
        later = schedule[at + 1 :]
        for back in (1, 2, 3, 4):
            yield schedule[:at] + tuple((step - back, chosen) for step, chosen in later if step - back > (schedule[at - 1][0] if at else -1))
    for at, (step, chosen) in enumerate(schedule):
        if chosen > 1:
            yield (*schedule[:at], (step, chosen - 1), *schedule[at + 1 :])


def _played(build: Build, schedule: Deviations, explored: Explored) -> list[int]:
    chooser = Scripted(schedule)
    ended = play(build, chooser, states=explored.states)
    explored.schedules += 1
    explored.checked += ended.checked
    if ended.broken is not None:
        explored.found = schedule, ended.broken
    return chooser.widths


def _further(schedule: Deviations, widths: list[int]) -> Iterator[Deviations]:
    begin = schedule[-1][0] + 1 if schedule else 0
    for at in range(begin, len(widths)):
        for chosen in range(1, widths[at]):
            yield (*schedule, (at, chosen))
