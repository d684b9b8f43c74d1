"""One job with very many streams: how long a change takes until the last of them has it."""

import asyncio
import gc
from collections.abc import Mapping
from typing import NamedTuple

import typer
import uvloop
from stand.cores import cpu_of
from stand.crowd import Crowd, asking
from stand.figures import Kept, Line, Quick, percentile, tell
from stand.hosts import BARE, NCHAN, OURS, RAW, Host, hosts
from stand.lag import LoopLag, lag_line
from stand.nchan import LACKING, lacking
from stand.order import Record

APART = 0.3  # seconds between two changes: everybody has had the one before
SETTLED = 1.0  # seconds in which a server forgets whom it held


class Told(NamedTuple):
    """Of each change: p99 of the delays in ms, events a second until the last, and µs of the server's CPU for each.

    And how late the event loop was, p99 in ms, and what went wrong in all.
    """

    p99: float
    per_second: float
    cpu: float
    lag: float
    wrong: Mapping[str, int]


Round = Mapping[str, Told]


def main(streams: int = 10_000, changes: int = 5, rounds: int = 3, *, quick: Quick = False, json: Kept = None) -> None:
    """Measure so many changes for so many streams, in each of so many rounds."""
    streams, changes, rounds = (1000, 3, 2) if quick else (streams, changes, rounds)
    tell(_lines(uvloop.run(_measure(streams, changes, rounds)), streams), json)


async def _measure(streams: int, changes: int, rounds: int) -> list[Round]:
    async with hosts(1, bare=True) as servers:
        return [
            {name: await _told(name, host, streams, changes) for name, host in servers.items()} for _ in range(rounds)
        ]


async def _told(name: str, host: Host, streams: int, changes: int) -> Told:
    crowd, record, versions = Crowd(host.url), Record(), list[int]()
    crowd.open(asking(host.url, lambda _: host.stream(0), streams))
    p99, last, cpu = list[float](), list[float](), list[float]()
    before = await LoopLag.of(host.url if name == OURS else None)
    for _ in range(changes):
        await asyncio.sleep(APART)
        crowd.expect(streams)
        used = cpu_of(host.process)
        change = await host.change([0])
        delays = [told.at - change.at for told in await crowd.until_told()]
        versions += change.versions
        record.add(crowd.told)
        p99.append(percentile(delays, 99) * 1000)
        last.append(max(delays))
        cpu.append((cpu_of(host.process) - used) / streams * 1e6)
    lag = await before.p99_since()
    crowd.close()
    gc.collect()
    await asyncio.sleep(SETTLED)
    wrong = record.wrong(streams, lambda _: versions)
    return Told(percentile(p99, 50), streams / percentile(last, 50), percentile(cpu, 50), lag, wrong)


def _lines(rounds: list[Round], streams: int) -> list[Line]:
    what = f"{streams:,} streams on one job: a change at all of them"

    def p99(name: str, must: float | None = None, want: float | None = None) -> Line:
        ours, beside = ([one[server].p99 for one in rounds] for server in (OURS, name))
        return Line(what=f"{what}, p99", ours=ours, unit="ms", anchor=name, beside=beside, must=must, want=want)

    def events(name: str, must: float | None = None, want: float | None = None) -> Line:
        ours, beside = ([one[server].per_second for one in rounds] for server in (OURS, name))
        return Line(
            what=f"{what}, events", ours=ours, unit="/s", anchor=name, beside=beside, must=must, want=want, least=True
        )

    def cpu(name: str) -> Line:
        ours, beside = ([one[server].cpu for one in rounds] for server in (OURS, name))
        return Line(what=f"{what}, CPU of the worker for each", ours=ours, unit="µs", anchor=name, beside=beside)

    if lacking():
        lines = [Line(what=what, ours=[one[OURS].p99 for one in rounds], unit="ms", anchor=LACKING)]
    else:
        lines = [p99(NCHAN, 1.3, 1.0), events(NCHAN, 0.8, 1.0), cpu(NCHAN)]
    wrong = [sum(one[OURS].wrong.values()) for one in rounds]
    return [
        *lines,
        p99(RAW),
        events(RAW),
        cpu(RAW),
        events(BARE),
        lag_line(what, [one[OURS].lag for one in rounds]),
        Line(what=f"{what}: missing, doubled, out of order", ours=wrong, must=0, want=0),
    ]


if __name__ == "__main__":
    typer.run(main)
