"""How the connections that a node may open are divided among its processes, and among the kinds of work of each.

A kind of work that hangs, or of which there is too much, takes its own connections and no others (bulkheads, after
M. Nygard, "Release It!"). Pure: figures in, figures out.
"""

from collections.abc import Mapping
from enum import StrEnum
from math import ceil
from typing import NamedTuple


class Kind(StrEnum):
    """A kind of work that has connections of its own."""

    READS = "reads"  # of status, for polls, waits and streams; comparisons
    REQUESTS = "requests"  # all that other requests do
    AUDIT = "audit"
    UPKEEP = "upkeep"  # keys, callers' own figures, readiness: small, and all need them
    JOBS = "jobs"  # what a monitor does for jobs
    RETENTION = "retention"


class Share(NamedTuple):
    """Connections that are held once they are open, and how many may be open beside them for a while."""

    held: int
    beyond: int

    @property
    def most(self) -> int:
        """How many may be open at once."""
        return self.held + self.beyond


Shares = Mapping[Kind, Share]

# Reads are coalesced, a few statements at once for all who ask; what other requests do is not.
_WORKER = {Kind.READS: 5, Kind.REQUESTS: 7, Kind.AUDIT: 1, Kind.UPKEEP: 1}
_MONITOR = {Kind.JOBS: 6, Kind.RETENTION: 1}
_HEARTBEAT = 1  # of each process: a connection that is in no pool
_LEAST_WORKER, _LEAST_MONITOR = len(_WORKER) + _HEARTBEAT, len(_MONITOR) + _HEARTBEAT


class TooFew(ValueError):
    """The connections do not go round; the message says which setting to raise."""


class Node(NamedTuple):
    """What each process of a node may open.

    `most` is the sum over all of them, with one monitor.
    """

    worker: Shares
    monitor: Shares
    most: int


def divide(held: int, beyond: int, *, workers: int) -> Node:
    """Give a quarter to the monitor, and the rest to the workers, alike; each kind of work has at least one.

    Args:
        held: connections that the node holds open once they are (`POLLING_POOL_SIZE`).
        beyond: those that it may open beside them (`POLLING_POOL_OVERFLOW`).
        workers: processes that serve HTTP.

    Raises:
        TooFew: there are less than the processes need.
    """
    whole = Share(held, beyond)
    monitor = max(_LEAST_MONITOR, whole.most // 4)
    worker = (whole.most - monitor) // workers
    if worker < _LEAST_WORKER:
        least = _LEAST_WORKER * workers
        needed = max(least + _LEAST_MONITOR, ceil(least * 4 / 3))  # a quarter of it is the monitor's
        raise TooFew(
            f"POLLING_POOL_SIZE ({held}) and POLLING_POOL_OVERFLOW ({beyond}) give this node {whole.most} connections "
            f"to Postgres. A monitor and {workers} workers need {needed}, so that no kind of work waits for another: "
            f"set POLLING_POOL_OVERFLOW={needed - held}, or lower POLLING_WORKERS."
        )
    return Node(
        _shares(worker - _HEARTBEAT, _WORKER, whole),
        _shares(monitor - _HEARTBEAT, _MONITOR, whole),
        monitor + worker * workers,
    )


def at_each_replica(worker: Shares) -> Share:
    """What a worker may open at each replica for reads, beside one connection to see how it is: as many as for those.

    That is never more than what it may open at the primary.
    """
    return worker[Kind.READS]


def most_at_each_replica(node: Node, *, workers: int) -> int:
    """The sum over all workers of what may be open at each replica; monitors do not ask them."""
    return workers * (at_each_replica(node.worker).most + _HEARTBEAT)


def _shares(most: int, weights: Mapping[Kind, int], whole: Share) -> Shares:
    return {kind: _share(some, whole) for kind, some in _parts(most, weights).items()}


def _share(most: int, whole: Share) -> Share:
    held = max(1, most * whole.held // whole.most)
    return Share(held, most - held)


def _parts(most: int, weights: Mapping[Kind, int]) -> Mapping[Kind, int]:
    """Divide by weight, each at least 1; what is left over by rounding goes to the greatest."""
    sum_of_weights = sum(weights.values())
    spare = most - len(weights)
    parts = {kind: 1 + spare * weight // sum_of_weights for kind, weight in weights.items()}
    parts[max(weights, key=weights.__getitem__)] += most - sum(parts.values())
    return parts
