"""Half an hour of connections, jobs and clients that come and go: what does not stay level is told, and fails.

A worker of its own is looked into at the end of each stretch, when nobody is there: what it holds then, it holds for
nothing. The first stretches warm up; after that nothing may grow, nor become slower.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Any

import orjson
import psutil
import typer
import uvloop
from stand.anchors import Anchor
from stand.clients import Client, new_client
from stand.crowd import Crowd, asking
from stand.figures import percentile
from stand.load import get
from stand.service import Stand, free_port, program, running_service, until_ready
from stand.wire import Answer, Wire, ask_once

SET = "/api/v1/jobs"
STRETCHES = 12  # in all; a third of them warm up
POLLERS, STREAMS, WAITERS = 20, 300, 100  # at once
JOBS = 50  # alive at once
LIVES = (1.0, 8.0)  # seconds of a job
STAYS = 2.0  # seconds that a crowd stays
EMPTY_WITHIN = 30.0  # seconds until a worker that everybody has left holds nothing
# By how much the end may be over the time after the warm-up: what is put aside for reuse comes and goes.
MORE_MEMORY, MORE, SLOWER = 1.10, 20, 1.5
# Nonces stay for their ten minutes; what a connection left behind would be thousands.
MORE_OBJECTS = 1000


@dataclass(frozen=True, slots=True)
class Stretch:
    """What there was at its end, and how long polls took in it (p50 in ms)."""

    memory: float
    descriptors: int
    tasks: int
    objects: Counter[str]
    latency: float
    polls: int


def main(seconds: Annotated[float, typer.Option(envvar="SOAK_SECONDS", help="In all.")] = 1800) -> None:
    """Go on for so long, print, and end with status 1 where something has grown."""
    grown = uvloop.run(_soak(seconds / STRETCHES))
    for one in grown:
        typer.echo(f"Not level: {one}", err=True)
    raise SystemExit(bool(grown))


async def _soak(each: float) -> list[str]:
    # What nobody asks for any more is kept no longer than a stretch, however short those are.
    settings = {"monitor_interval": "0.5", "snapshot_idle": "3"}
    async with running_service(settings) as stand, _inspected(stand) as worker:
        typer.echo(f"{'':>8}{'memory, MiB':>13}{'descriptors':>13}{'tasks':>8}{'objects':>9}{'p50, ms':>9}{'polls':>9}")
        stretches: list[Stretch] = []
        for number in range(STRETCHES):
            client = await new_client(stand.database_url)
            one = await _stretch(worker, client, each)
            stretches.append(one)
            typer.echo(
                f"{number + 1:>8}{one.memory:13.1f}{one.descriptors:13}{one.tasks:8}{one.objects.total():9}"
                f"{one.latency:9.2f}{one.polls:9}"
            )
        return _grown(stretches[STRETCHES // 3 :])


@asynccontextmanager
async def _inspected(stand: Stand) -> AsyncGenerator[Anchor]:
    port = str(free_port())
    arguments = ["-m", "stand.inspected"]
    async with program(arguments, {**stand.settings, "port": port}, output=stand.log) as process:
        url = f"http://127.0.0.1:{port}"
        await until_ready(f"{url}/health/ready")
        yield Anchor(url, psutil.Process(process.pid))


async def _stretch(worker: Anchor, client: Client, seconds: float) -> Stretch:
    """Everybody comes and goes for so long; then nobody is there."""
    ends, took, jobs = time.monotonic() + seconds, list[float](), list[str]()
    await asyncio.gather(
        _submitting(worker.url, jobs, ends),
        _crowding(worker.url, jobs, ends),
        _signing(worker.url, client, ends),
        *(_polling(worker.url, jobs, took, ends) for _ in range(POLLERS)),
    )
    inside = await _inside(worker.url)
    return Stretch(
        memory=worker.process.memory_full_info().uss / 2**20,
        descriptors=worker.process.num_fds(),
        tasks=inside["tasks"],
        objects=Counter(inside["objects"]),
        latency=percentile(took, 50) * 1000,
        polls=len(took),
    )


async def _submitting(url: str, jobs: list[str], ends: float) -> None:
    """Keep so many jobs alive: each ends after a while, and another takes its place."""
    wire = await Wire.to(url)
    while time.monotonic() < ends:
        life = random.uniform(*LIVES)  # noqa: S311 - a load, not a secret
        course = f"in_progress {life / 2:.1f}s @20%, in_progress {life / 2:.1f}s @70%, succeeded"
        answer = await _post(wire, url, SET, {"requests": [_REQUEST], "metadata": {"simulator": course}})
        jobs.append(orjson.loads(answer.body)["id"])
        del jobs[:-JOBS]
        await asyncio.sleep(sum(LIVES) / 2 / JOBS)
    wire.close()


async def _crowding(url: str, jobs: list[str], ends: float) -> None:
    """Open crowds of streams and waiters, and be gone from all of them at once."""
    while time.monotonic() < ends:
        await asyncio.sleep(STAYS / 4)
        if not jobs:
            continue
        crowd, here = Crowd(url), list(jobs)
        crowd.open(asking(url, lambda at: f"{SET}/{here[at % len(here)]}/events", STREAMS), first=False)  # noqa: B023
        crowd.open(asking(url, lambda at: f"{SET}/{here[at % len(here)]}?wait=30", WAITERS), first=False)  # noqa: B023
        await asyncio.sleep(STAYS)
        crowd.close()


async def _signing(url: str, client: Client, ends: float) -> None:
    """A new client each stretch: it submits, lists and is gone."""
    while time.monotonic() < ends:
        path = "/api/v1/batch-status"
        signature = client.signature("GET", f"{url}{path}")
        await ask_once(url, get(url, path, *map(": ".join, signature.items())))
        await asyncio.sleep(0.1)


async def _polling(url: str, jobs: list[str], took: list[float], ends: float) -> None:
    """Poll one job after the other, on a connection that is closed now and then."""
    while time.monotonic() < ends:
        wire, etags = await Wire.to(url), dict[str, str]()
        for _ in range(50):
            await asyncio.sleep(0.05)
            if not jobs or time.monotonic() >= ends:
                continue
            job = random.choice(jobs)  # noqa: S311 - a load, not a secret
            seen = [f"If-None-Match: {etags[job]}"] if job in etags else []
            began = time.perf_counter()
            etags[job] = (await wire.ask(get(url, f"{SET}/{job}", *seen))).headers.get("etag", "")
            took.append(time.perf_counter() - began)
        wire.close()


async def _post(wire: Wire, url: str, path: str, document: Any) -> Answer:
    body = orjson.dumps(document)
    head = get(url, path, "Content-Type: application/json", f"Content-Length: {len(body)}")
    return await wire.ask(head.replace(b"GET", b"POST", 1) + body)


async def _inside(url: str) -> dict[str, Any]:
    """What is in the worker when it has found out that everybody is gone; what is there after 30 s stays."""
    inside: dict[str, Any] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(EMPTY_WITHIN):
            while True:
                inside = orjson.loads((await ask_once(url, get(url, "/stand/inside"))).body)
                if not inside["followers"]:
                    break
                await asyncio.sleep(0.2)
    await asyncio.sleep(1)
    return orjson.loads((await ask_once(url, get(url, "/stand/inside"))).body)


def _grown(stretches: Sequence[Stretch]) -> list[str]:
    """What is more in the last third than in the first."""
    third = max(1, len(stretches) // 3)
    first, last = stretches[:third], stretches[-third:]

    def grown(name: str, factor: float, more: float) -> str | None:
        before, after = (median(getattr(one, name) for one in some) for some in (first, last))
        return f"{name}, {before:g} and then {after:g}" if after > before * factor + more else None

    found = (
        grown("memory", MORE_MEMORY, 0),
        grown("descriptors", 1, MORE),
        grown("tasks", 1, MORE),
        _more_objects(first, last),
        grown("latency", SLOWER, 1),
    )
    return [one for one in found if one]


def _more_objects(first: Sequence[Stretch], last: Sequence[Stretch]) -> str | None:
    """The kinds of which there are more, where all of them are too many more."""
    before, after = (sum((one.objects for one in some), Counter[str]()) for some in (first, last))
    more = Counter({kind: (count - before[kind]) // len(last) for kind, count in after.items()})
    if (after.total() - before.total()) // len(last) <= MORE_OBJECTS:
        return None
    return "objects: " + ", ".join(f"{count:+} {kind}" for kind, count in more.most_common(5))


_REQUEST = {"custom_id": "one", "body": {"model": "made-up"}}

if __name__ == "__main__":
    typer.run(main)
