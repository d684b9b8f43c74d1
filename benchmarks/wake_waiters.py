"""Very many who wait for one job: how long a change takes until all have been woken, each asking again at once."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

import typer
import uvloop
from stand.cores import cpu_of
from stand.counting import until_held
from stand.crowd import Crowd, asking
from stand.figures import Kept, Line, Quick, percentile, tell
from stand.hosts import NCHAN, OURS, RAW, Host, hosts
from stand.lag import LoopLag, lag_line
from stand.nchan import LACKING, lacking
from stand.order import Record

SETTLED = 1.0  # seconds in which all who asked again are held, or a server forgets whom it held


class Woken(NamedTuple):
    """Milliseconds until the last was answered, and µs of CPU for each until it is held again.

    And p99 of the event loop's lag in ms, and mistakes.
    """

    last: float
    cpu: float
    lag: float
    wrong: int


Round = Mapping[str, Woken]


def main(waiters: int = 5000, changes: int = 3, rounds: int = 3, *, quick: Quick = False, json: Kept = None) -> None:
    """Measure so many changes for so many waiters, in each of so many rounds."""
    waiters, changes, rounds = (1000, 2, 2) if quick else (waiters, changes, rounds)
    tell(_lines(uvloop.run(_measure(waiters, changes, rounds)), waiters), json)


async def _measure(waiters: int, changes: int, rounds: int) -> list[Round]:
    async with hosts(1, "wait") as servers:
        return [
            {name: await _woken(name, host, waiters, changes) for name, host in servers.items()} for _ in range(rounds)
        ]


async def _woken(name: str, host: Host, waiters: int, changes: int) -> Woken:
    crowd, record, versions = Crowd(host.url, again=True), Record(), list[int]()
    last, cpu = list[float](), list[float]()
    crowd.open(asking(host.url, lambda _: host.wait(0), waiters), first=False)
    if name == OURS:
        await until_held(host.url, "wait", waiters)
    before = await LoopLag.of(host.url if name == OURS else None)
    for _ in range(changes):
        if name == OURS:
            await until_held(host.url, "wait", waiters)
        await asyncio.sleep(SETTLED)
        crowd.expect(waiters)
        used = cpu_of(host.process)
        change = await host.change([0])
        last.append(max(told.at for told in await crowd.until_told()) - change.at)
        versions += change.versions
        record.add(crowd.told)
        await asyncio.sleep(SETTLED)
        cpu.append((cpu_of(host.process) - used) / waiters * 1e6)
    lag = await before.p99_since()
    crowd.close()
    await asyncio.sleep(SETTLED)
    wrong = sum(record.wrong(waiters, lambda _: versions).values())
    return Woken(percentile(last, 50) * 1000, percentile(cpu, 50), lag, wrong)


def _lines(rounds: list[Round], waiters: int) -> list[Line]:
    what, ours = f"{waiters:,} waiters on one job: all woken, and asking again", [one[OURS].last for one in rounds]

    def beside(name: str, must: float | None = None, want: float | None = None) -> Line:
        others = [one[name].last for one in rounds]
        return Line(what=what, ours=ours, unit="ms", anchor=name, beside=others, must=must, want=want)

    wrong = [one[OURS].wrong for one in rounds]
    return [
        beside(RAW, 1.3, 1.0),
        Line(
            what=f"{what}, CPU of the worker for each",
            ours=[one[OURS].cpu for one in rounds],
            unit="µs",
            anchor=RAW,
            beside=[one[RAW].cpu for one in rounds],
        ),
        Line(what=what, ours=ours, unit="ms", anchor=LACKING) if lacking() else beside(NCHAN),
        lag_line(f"{waiters:,} waiters", [one[OURS].lag for one in rounds]),
        Line(what=f"{waiters:,} waiters: missing, doubled, out of order", ours=wrong, must=0, want=0),
    ]


if __name__ == "__main__":
    typer.run(main)
