"""What is left when everybody has gone: nothing may be."""

from collections.abc import Iterator
from operator import attrgetter
from typing import Final

from model.node import ANYBODY
from model.world import World

# What has to be empty when nobody has asked for a while, where a node has it.
_READS: Final = ("watch._loading._reads", "watch._pasts", "cache._reads._reads", "replicated.reads._reads")
_HELD: Final = (
    "watch._topics._by_id",
    "watch._topics._unread",
    "watch._rereads._under_way",
    "absences._until",
    "absences._denied",
    "hub._waiting",
    "cache._refresher._waiting",
    "replicated.replica._reading",
    *(f"feeds.{part}" for part in ("_feeds", "_wanted", "_joining", "_asked_for")),
    *(f"{reads}.{part}" for reads in _READS for part in ("_waiting", "_under_way", "_reading")),
)


def leftovers(world: World) -> Iterator[str]:
    """All that is left where nothing should be; stops what runs until it is stopped."""
    for node in world.nodes:
        node.absences.add(ANYBODY, [])  # what is over goes with the next denial
        parts = {"cache": node.cache, "replicated": node.replicated, "feeds": node.feeds}
        for name in _HELD:
            if parts.get(name.partition(".")[0], node) is not None and len(left := attrgetter(name)(node)):
                yield f"{node} keeps {len(left)} in {name}"
    for stoppable in world.stoppable:
        stoppable.end()
    world.settle()
    for process in world.processes:
        left = [task for task in process.tasks if not task.done()] if process.alive else []
        if left:
            yield f"{process} has {len(left)} tasks left"
    yield from (f"nobody heard of this: {what}" for what in world.loop.unheard)
