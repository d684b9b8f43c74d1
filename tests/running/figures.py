"""The service's own metrics, read as Prometheus reads them."""

import asyncio

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

ASK_EVERY = 0.02  # seconds
WITHIN = 10.0  # seconds


async def samples(client: httpx.AsyncClient) -> list[Sample]:
    """All that `/metrics` says: of one process, or of all where their figures are shared."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]


async def figure(client: httpx.AsyncClient, name: str, **labels: str) -> float:
    """The sum of the samples called `name` that have (at least) these labels; 0 where there is none."""
    return sum(
        sample.value
        for sample in await samples(client)
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def until_figure(client: httpx.AsyncClient, expected: float, name: str, **labels: str) -> None:
    """Ask again and again until a figure is as expected: what it counts happens on the service's side of a socket.

    Raises:
        AssertionError: it was not within 10 s.
    """
    present = await figure(client, name, **labels)
    for _ in range(int(WITHIN / ASK_EVERY)):
        if present == expected:
            return
        await asyncio.sleep(ASK_EVERY)
        present = await figure(client, name, **labels)
    raise AssertionError(f"{name}{labels} stayed at {present}, not {expected}")
