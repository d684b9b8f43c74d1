"""What a client notices of being at another node: the same changes, seen in streams at two workers."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import typer
import uvloop
from stand.crowd import Crowd, asking
from stand.figures import Kept, Line, Quick, percentile, tell
from stand.hop import Hop
from stand.hosts import Ours
from stand.mover import moving
from stand.order import Record
from stand.service import Stand, free_port, program, running_service, until_ready

APART = 0.02  # seconds between two changes


class Delays(NamedTuple):
    """Medians in ms: from a commit to the sockets of the first and second node, between the two, and of Redis alone."""

    first: float
    second: float
    extra: float
    hop: float
    wrong: int


def main(changes: int = 200, rounds: int = 3, *, quick: Quick = False, json: Kept = None) -> None:
    """Measure so many changes, in each of so many rounds."""
    changes, rounds = (30, 2) if quick else (changes, rounds)
    tell(_lines(uvloop.run(_measure(changes, rounds))), json)


async def _measure(changes: int, rounds: int) -> list[Delays]:
    async with running_service({}, monitor=False) as stand, _second(stand) as url, moving(stand) as mover:
        host, hop = Ours(stand, mover, await mover.store(1)), Hop(stand.redis_url)
        stand.give_a_core()
        listening = asyncio.create_task(hop.listen())
        await hop.measure_alone(20)  # warm
        streams = [Crowd(host.url), Crowd(url)]
        for crowd in streams:
            crowd.open(asking(url, lambda _: host.stream(0), 1))
        measured = [await _delays(host, hop, streams, changes) for _ in range(rounds)]
        for crowd in streams:
            crowd.close()
        listening.cancel()
        return measured


@asynccontextmanager
async def _second(stand: Stand) -> AsyncGenerator[str]:
    """One more worker over the same database, on the cores of all else; its address."""
    port = str(free_port())
    settings = {**stand.settings, "port": port}
    async with program(["-m", "polling_api", "worker"], settings, output=stand.log):
        await until_ready(f"http://127.0.0.1:{port}/health/ready")
        yield f"http://127.0.0.1:{port}"


async def _delays(host: Ours, hop: Hop, streams: Sequence[Crowd], changes: int) -> Delays:
    first, second, versions = list[float](), list[float](), list[int]()
    records = [Record() for _ in streams]
    hop.alone.clear()
    for _ in range(changes):
        await asyncio.sleep(APART)
        for crowd in streams:
            crowd.expect(1)
        change = await host.change([0])
        for delays, crowd, record in zip((first, second), streams, records, strict=True):
            told = await crowd.until_told()
            record.add(told)
            delays.append(told[-1].at - change.at)
        versions += change.versions
    await hop.measure_alone(changes)
    extra = [there - here for here, there in zip(first, second, strict=True)]
    wrong = sum(sum(record.wrong(1, lambda _: versions).values()) for record in records)
    here, there, later, hops = (percentile(seconds, 50) * 1000 for seconds in (first, second, extra, hop.alone))
    return Delays(here, there, later, hops, wrong)


def _lines(rounds: Sequence[Delays]) -> list[Line]:
    first, second = [one.first for one in rounds], [one.second for one in rounds]
    what = "a second node"
    return [
        Line(
            what=f"{what}: later than the first, p50", ours=[one.extra for one in rounds], unit="ms", must=1, want=0.4
        ),
        Line(what=f"{what}: the Redis hop alone, p50", ours=[one.hop for one in rounds], unit="ms", must=1, want=0.4),
        Line(what=f"{what}: commit to socket, p50", ours=second, unit="ms", anchor="the first", beside=first),
        Line(what=f"{what}: missing, doubled, out of order", ours=[one.wrong for one in rounds], must=0, want=0),
    ]


if __name__ == "__main__":
    typer.run(main)
