"""How long after a version's commit its bytes are in an event stream, and how much of that is Redis."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from statistics import quantiles
from typing import Any

import httpx
import orjson
import typer
import uvloop
from stand.hop import Hop
from stand.service import Stand, running_service

BODY = {
    "requests": [{"custom_id": "one", "body": {"model": "made-up"}}],
    "metadata": {"simulator": "in_progress 0.4s @50%, succeeded"},
}
APART = 0.1  # seconds between the starts of two jobs: some five of them are under way, and the machine is idle
ENDED_WITHIN = 30.0  # seconds for one job


def main(jobs: int = typer.Option(100, help="Each makes four versions that are measured.")) -> None:
    """Measure on a service that the program starts itself; the machine should be idle."""
    streamed, hop = uvloop.run(_measure(jobs))
    typer.echo(f"{'':36}{'p50':>9}{'p99':>9}   ms")
    _tell(f"commit to an event stream ({len(streamed)} versions)", streamed)
    _tell("commit to a listener on Redis", hop.after_commit)
    _tell("Redis alone, publish to listener", hop.alone)
    typer.echo(f"share of the Redis hop at p50: {_at(hop.alone, 50) / _at(streamed, 50):.0%}")


async def _measure(jobs: int) -> tuple[list[float], Hop]:
    async with running_service({"monitor_interval": "0.1"}) as stand:
        hop = Hop(stand.redis_url)
        listening = asyncio.create_task(hop.listen())
        await hop.measure_alone(20)  # warm
        hop.alone.clear()
        streamed = await _stream_all(stand, jobs)
        await hop.measure_alone(max(100, jobs))
        listening.cancel()
        return streamed, hop


async def _stream_all(stand: Stand, jobs: int) -> list[float]:
    async with httpx.AsyncClient(base_url=stand.url, timeout=ENDED_WITHIN, trust_env=False) as client:
        streams: list[asyncio.Task[list[float]]] = []
        for _ in range(jobs):
            streams.append(asyncio.create_task(_stream(client)))
            await asyncio.sleep(APART)
        return [delay for delays in await asyncio.gather(*streams) for delay in delays]


async def _stream(client: httpx.AsyncClient) -> list[float]:
    """Follow one job from its submit to its end: the delay of each version but the first event, which is no news."""
    job = (await client.post("/api/v1/jobs", json=BODY)).raise_for_status().json()
    delays: list[float] = []
    async with asyncio.timeout(ENDED_WITHIN), client.stream("GET", job["links"]["events"]) as response:
        async for chunk in response.aiter_raw():
            now = time.time()
            delays += [now - moment for moment in _moments(chunk)]
    return delays[1:]


def _moments(chunk: bytes) -> list[float]:
    """When the versions in some bytes of a stream were committed; an event is one write, and comes whole."""
    documents: list[Any] = [orjson.loads(line[6:]) for line in chunk.splitlines() if line.startswith(b"data: ")]
    return [datetime.fromisoformat(document["updated_at"]).timestamp() for document in documents]


def _at(seconds: Sequence[float], percent: int) -> float:
    return quantiles(seconds, n=100)[percent - 1]


def _tell(name: str, seconds: Sequence[float]) -> None:
    typer.echo(f"{name:36}{_at(seconds, 50) * 1e3:9.2f}{_at(seconds, 99) * 1e3:9.2f}")


if __name__ == "__main__":
    typer.run(main)
