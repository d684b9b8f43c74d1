"""How late the workers' event loops were between two looks, from their own metrics."""

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from faulting.stand import Stand

_NAME = "polling_loop_lag_seconds_bucket"

Buckets = Mapping[float, float]  # the upper edge in seconds, and how many ticks were no later


async def lags(stand: Stand) -> Mapping[int, Buckets]:
    """What every worker that answers tells, by its process id."""
    found: dict[int, Buckets] = {}
    for worker in stand.workers:
        try:
            told = (await stand.client.get(f"{worker.url}/metrics", timeout=2)).text
        except httpx.TransportError:
            continue
        every = (sample for family in text_string_to_metric_families(told) for sample in family.samples)
        found[worker.pid] = {float(one.labels["le"]): one.value for one in every if one.name == _NAME}
    return found


def worst_p99(before: Mapping[int, Buckets], after: Mapping[int, Buckets]) -> float:
    """The upper edge below which 99 of 100 ticks between the two looks were, of the worker where it is highest."""
    return max((_p99(before.get(pid, {}), later) for pid, later in after.items()), default=0.0)


def _p99(before: Buckets, after: Buckets) -> float:
    ticks = {edge: count - before.get(edge, 0.0) for edge, count in after.items()}
    enough = 0.99 * max(ticks.values(), default=0.0)
    return min((edge for edge, count in ticks.items() if count >= enough), default=0.0)
