"""One schedule, from a world's beginning to its end."""

import asyncio
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple

import structlog

from model.choices import Chooser
from model.leftovers import leftovers
from model.loop import ModelLoop
from model.node import BOUNDS
from model.rules import Broken
from model.world import World

SETTLED_AFTER = BOUNDS.idle + 1.5 * BOUNDS.compare_every  # seconds: whatever nobody uses is forgotten by then


class Played(NamedTuple):
    """What came of a schedule: which rule is broken, if one is, and how often one was held against something."""

    broken: Broken | None
    checked: int


def play(build: Callable[[], World], chooser: Chooser, *, log: list[str] | None = None) -> Played:
    """Play a schedule.

    Args:
        build: makes the world.
        chooser: says what happens.
        log: where it is told what happens.
    """
    world = build()
    broken = None
    with _running(world.loop):
        try:
            world.settle(world.settled_after)
            world.log = log
            world.run(chooser)
            world.settle(SETTLED_AFTER)
            left = "; ".join(leftovers(world))
            world.rules.require(not left, left)
            broken = world.rules.broken
        except Broken as error:
            broken = error
        finally:
            world.log = None
            world.close()
    return Played(broken, world.rules.checked)


@contextmanager
def _running(loop: ModelLoop) -> Generator[None]:
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(None)


@contextmanager
def quietly() -> Generator[None]:
    """Log nothing: whatever fails in a schedule is meant to."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
