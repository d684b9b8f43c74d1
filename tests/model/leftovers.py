"""What is left when everybody has gone: nothing may be."""

from collections.abc import Iterator, Sized

from model.node import Node
from model.world import World


def leftovers(world: World) -> Iterator[str]:
    """All that is left where nothing should be; stops what runs until it is stopped."""
    for node in world.nodes:
        if node.process.alive:
            for name, what in _held(node).items():
                if len(what):
                    yield f"{node} keeps {len(what)} {name}"
    for stoppable in world.stoppable:
        stoppable.end()
    world.settle()
    for process in world.processes:
        left = [task for task in process.tasks if not task.done()] if process.alive else []
        if left:
            yield f"{process} has {len(left)} tasks left: {left}"
    yield from (f"nobody heard of: {what}" for what in world.loop.unheard)


def _held(node: Node) -> dict[str, Sized]:
    """All that has to be empty when nobody has asked for a while, by its name."""
    watch, hub = node.watch, node.hub
    reads = {"reads": watch._loading._reads, "pasts": watch._pasts}
    if node.cache is not None:
        reads["look-ups"] = node.cache._reads._reads
    held: dict[str, Sized] = {
        "snapshots": watch,
        "rereads": watch._rereads._under_way,
        "notices": hub._waiting,
    }
    if node.replicated is not None:
        reads["reads of replicas"] = node.replicated.reads._reads
        held["statements of a replica"] = node.replicated.replica._reading
    for name, coalesced in reads.items():
        held[f"{name} that wait"] = coalesced._waiting
        held[f"{name} under way"] = coalesced._under_way
        held[f"tasks of {name}"] = coalesced._reading
    if node.cache is not None:
        held["sightings"] = node.cache._refresher._waiting
    return held
