"""Many schedules, divided into errands of a second or so, which any process can do."""

import gc
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Final, NamedTuple

from model.choices import Deviations, written
from model.explorer import Explored, explore, first_steps, wander
from model.playing import quietly
from model.worlds import SMALL, WORLDS, Make, crowded

AT_ONCE: Final = 300  # schedules by chance in an errand
SHARES: Final = (0.05, 0.1, 0.2)  # of the choices that are unusual, by turns
# The small worlds, and then the crowded one, whose schedules take three times as long.
BY_CHANCE: Final = (*SMALL, crowded)


class Errand(NamedTuple):
    """What is done in one go.

    Attributes:
        world: its name.
        begun: schedules that are played.
        more: deviations that are tried beyond each of them.
        seeds: of schedules by chance.
        share: of the choices that are unusual in these.
    """

    world: str
    begun: tuple[Deviations, ...] = ()
    more: int = 1
    seeds: range = range(0)
    share: float = 0.0


def systematic() -> Iterator[Errand]:
    """All schedules of the small worlds with at most two deviations."""
    for world in SMALL:
        with quietly():
            steps = first_steps(partial(world, Make()))
        yield Errand(world.__name__, begun=((),), more=0)
        for schedule in steps:
            yield Errand(world.__name__, begun=(schedule,))


def by_chance(first_seed: int) -> Iterator[Errand]:
    """Schedules by chance, without end."""
    for number in count():
        world = BY_CHANCE[number % len(BY_CHANCE)]
        begin = first_seed + number * AT_ONCE
        yield Errand(world.__name__, seeds=range(begin, begin + AT_ONCE), share=SHARES[number // len(BY_CHANCE) % 3])


def done(errand: Errand) -> Explored:
    """Do one."""
    build = partial(WORLDS[errand.world], Make())
    # A world is a knot of cycles: one collection an errand, of them alone, instead of one every few schedules.
    gc.freeze()
    gc.disable()
    try:
        with quietly():
            if errand.seeds:
                explored = wander(build, errand.seeds, errand.share)
            else:
                explored = explore(build, errand.more, first=errand.begun)
    finally:
        gc.enable()
        gc.collect()
        gc.unfreeze()
    explored.played = {hash((errand.world, schedule)) for schedule in explored.played}
    return explored


def found(errand: Errand, explored: Explored) -> str:
    """How a broken rule is told, and how to see it again; nothing where none is."""
    if explored.found is None:
        return ""
    schedule, broken = explored.found
    return f"{broken}\n    make model SCHEDULE={written(errand.world, schedule)}"
