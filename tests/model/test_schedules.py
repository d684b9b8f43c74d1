"""Whatever happens first, and whatever goes wrong: no rule is broken. `make model` plays a million such schedules."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import pytest

from model.campaign import Errand, done, found
from model.choices import Scripted, read, written
from model.explorer import first_steps
from model.playing import play, quietly
from model.world import World
from model.worlds import SMALL, WORLDS, Make, cancelling, crowded, streaming_over, waiting, waking

pytestmark = pytest.mark.timeout(900)  # some 18,000 schedules of a millisecond or two, on a machine that may be busy

CHEAP: Final = (waking, waiting, streaming_over, cancelling)
BY_CHANCE, BY_CHANCE_IF_CHEAP = 250, 1_000  # schedules of each world
FIRST_SEED: Final = 7
SHARE: Final = 0.1  # of the choices that are unusual

Build = Callable[[Make], World]


def none_is_broken(errands: Iterable[Errand]) -> int:
    """Do errands; returns how many schedules there were."""
    played = 0
    for errand in errands:
        explored = done(errand)
        assert explored.found is None, found(errand, explored)
        assert explored.checked > len(explored.played)
        played += len(explored.played)
    return played


@pytest.mark.parametrize("world", CHEAP)
def test_no_two_deviations_from_what_is_usual_break_a_rule(world: Build) -> None:
    with quietly():
        steps = first_steps(partial(world, Make()))
    name = world.__name__

    played = none_is_broken([Errand(name, begun=((),), more=0), *(Errand(name, begun=(step,)) for step in steps)])

    assert played > 1_500


@pytest.mark.parametrize("world", [world for world in SMALL if world not in CHEAP])
def test_no_single_deviation_breaks_a_rule(world: Build) -> None:
    with quietly():
        steps = first_steps(partial(world, Make()))

    explored = done(Errand(world.__name__, begun=tuple(steps), more=0))

    assert explored.found is None, found(Errand(world.__name__), explored)
    assert len(explored.played) == len(steps) > 80


@pytest.mark.parametrize("world", [*SMALL, crowded])
def test_nothing_that_happens_by_chance_breaks_a_rule(world: Build) -> None:
    schedules = BY_CHANCE_IF_CHEAP if world in CHEAP else BY_CHANCE
    seeds = range(FIRST_SEED, FIRST_SEED + schedules)

    assert none_is_broken([Errand(world.__name__, seeds=seeds, share=SHARE)]) > schedules / 2


@pytest.mark.parametrize("world", WORLDS)
def test_a_schedule_is_always_the_same_again(world: str) -> None:
    schedule = f"{world}@2:1,5:2,9:1"
    told: list[list[str]] = []
    for _ in range(2):
        log: list[str] = []
        name, deviations = read(schedule)
        with quietly():
            play(partial(WORLDS[name], Make()), Scripted(deviations), log=log)
        told.append(log)

    assert told[0] == told[1]
    assert written(*read(schedule)) == schedule
