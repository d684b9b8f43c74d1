"""Very many streams on many jobs, some of which change all the time: from a commit to the bytes in a socket."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import typer
import uvloop
from stand.crowd import Crowd, asking
from stand.figures import Kept, Line, Quick, percentile, tell
from stand.hosts import OURS, RAW, Host, hosts
from stand.lag import LoopLag, lag_line
from stand.order import Record, versions_in

TOGETHER = 4  # changes in one commit, as a sweep writes several
SETTLED = 1.0  # seconds in which the last changes arrive, and a server forgets whom it held


class Delays(NamedTuple):
    """In ms; how late our event loop was for 99 of 100 looks, in ms; and what went wrong."""

    p50: float
    p99: float
    lag: float
    wrong: int


Round = Mapping[str, Delays]


def main(
    streams: int = 10_000,
    jobs: int = 1000,
    rate: int = 200,
    seconds: float = 8,
    rounds: int = 2,
    *,
    quick: Quick = False,
    json: Kept = None,
) -> None:
    """Measure so many streams on so many jobs, at so many changes a second, for so many seconds of each round."""
    streams, jobs, rate, seconds = (1000, 100, 50, 3) if quick else (streams, jobs, rate, seconds)
    what = f"{streams:,} streams on {jobs:,} jobs, {rate} changes/s, commit to socket"
    tell(_lines(uvloop.run(_measure(streams, jobs, rate, seconds, rounds)), what), json)


async def _measure(streams: int, jobs: int, rate: int, seconds: float, rounds: int) -> list[Round]:
    async with hosts(jobs) as servers:
        measured = {name: host for name, host in servers.items() if name in {OURS, RAW}}
        return [
            {name: await _delays(name, host, streams, jobs, rate, seconds) for name, host in measured.items()}
            for _ in range(rounds)
        ]


async def _delays(name: str, host: Host, streams: int, jobs: int, rate: int, seconds: float) -> Delays:
    crowd = Crowd(host.url)
    crowd.open(asking(host.url, lambda number: host.stream(number % jobs), streams))
    crowd.expect(0)
    before = await LoopLag.of(host.url if name == OURS else None)
    changed: defaultdict[int, dict[int, float]] = defaultdict(dict)
    order = random.sample(range(jobs), jobs)
    began, changing = time.perf_counter(), set[asyncio.Task[None]]()
    for number in range(0, int(rate * seconds), TOGETHER):
        topics = [order[at % jobs] for at in range(number, number + TOGETHER)]
        await asyncio.sleep(max(0, began + number / rate - time.perf_counter()))
        changing.add(asyncio.create_task(_change(host, topics, changed)))
    await asyncio.gather(*changing)
    await asyncio.sleep(SETTLED)
    lag = await before.p99_since()
    delays = [
        told.at - changed[told.number % jobs][version]
        for told in crowd.told
        for version in versions_in(told.chunk)
        if version in changed[told.number % jobs]
    ]
    record = Record()
    record.add(crowd.told)
    crowd.close()
    await asyncio.sleep(SETTLED)
    wrong = record.wrong(streams, lambda number: sorted(changed[number % jobs]))
    return Delays(percentile(delays, 50) * 1e3, percentile(delays, 99) * 1e3, lag, sum(wrong.values()))


async def _change(host: Host, topics: list[int], changed: Mapping[int, dict[int, float]]) -> None:
    change = await host.change(topics)
    for topic, version in zip(topics, change.versions, strict=True):
        changed[topic][version] = change.at


def _lines(rounds: list[Round], what: str) -> list[Line]:
    p50, p99 = [one[OURS].p50 for one in rounds], [one[OURS].p99 for one in rounds]
    return [
        Line(what=f"{what}, p50", ours=p50, unit="ms", must=3, want=1.5),
        Line(what=f"{what}, p99", ours=p99, unit="ms", must=15, want=6),
        Line(what=f"{what}, p50", ours=p50, unit="ms", anchor=RAW, beside=[one[RAW].p50 for one in rounds]),
        Line(what=f"{what}, p99", ours=p99, unit="ms", anchor=RAW, beside=[one[RAW].p99 for one in rounds]),
        lag_line(what, [one[OURS].lag for one in rounds]),
        Line(
            what=f"{what}: missing, doubled, out of order",
            ours=[one[OURS].wrong for one in rounds],
            must=0,
            want=0,
        ),
    ]


if __name__ == "__main__":
    typer.run(main)
