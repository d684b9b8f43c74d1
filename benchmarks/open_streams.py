"""How fast very many streams are opened, and what a stream and a waiter cost in memory while nothing happens."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

import typer
import uvloop
from stand.cores import cpu_of
from stand.counting import until_held
from stand.crowd import Crowd, asking
from stand.figures import Kept, Line, Quick, tell
from stand.hosts import BARE, NCHAN, OURS, RAW, Host, hosts
from stand.lag import LoopLag, lag_line
from stand.nchan import LACKING, lacking

TOPICS = 100
WARM = 200  # connections before those that are counted: what is made once is made then
SETTLED = 1.0  # seconds in which a server forgets whom it held

STREAM, WAIT = "stream", "wait"


class Opened(NamedTuple):
    """Connections in a second, KiB that each takes, µs of the server's CPU, and p99 of the loop's lag in ms."""

    per_second: float
    kib: float
    cpu: float
    lag: float


Round = Mapping[tuple[str, str], Opened]


def main(streams: int = 10_000, rounds: int = 3, *, quick: Quick = False, json: Kept = None) -> None:
    """Measure with so many streams, in each of so many rounds."""
    streams, rounds = (1000, 2) if quick else (streams, rounds)
    tell(_lines(uvloop.run(_measure(streams, rounds)), streams), json)


async def _measure(streams: int, rounds: int) -> list[Round]:
    async with hosts(TOPICS, bare=True) as servers:
        # What a process is given for the first crowd it keeps for the next: all are compared with what was before.
        empty: dict[str, int] = {}
        return [await _round(servers, streams, empty) for _ in range(rounds)]


async def _round(servers: Mapping[str, Host], count: int, empty: dict[str, int]) -> Round:
    measured = {(name, STREAM): await _opened(name, host, STREAM, count, empty) for name, host in servers.items()}
    return {**measured, (OURS, WAIT): await _opened(OURS, servers[OURS], WAIT, count, empty)}


async def _opened(name: str, host: Host, kind: str, count: int, empty: dict[str, int]) -> Opened:
    warm, crowd = Crowd(host.url), Crowd(host.url)
    path = host.stream if kind == STREAM else host.wait

    async def opened(one: Crowd, number: int) -> float:
        took = one.open(asking(host.url, lambda at: path(at % TOPICS), number), first=kind == STREAM)
        if name == OURS:
            await until_held(host.url, kind, len(warm) + len(crowd))
        return took

    await opened(warm, WARM)
    before = empty.setdefault(name, host.process.memory_full_info().uss)
    used, looks = cpu_of(host.process), await LoopLag.of(host.url if name == OURS else None)
    took = await opened(crowd, count)
    cpu = (cpu_of(host.process) - used) / count * 1e6
    lag = await looks.p99_since()
    kib = (host.process.memory_full_info().uss - before) / count / 1024
    crowd.close()
    warm.close()
    await asyncio.sleep(SETTLED)
    return Opened(count / took, kib, cpu, lag)


def _lines(rounds: list[Round], count: int) -> list[Line]:
    def of(name: str, kind: str = STREAM) -> list[Opened]:
        return [one[name, kind] for one in rounds if (name, kind) in one]

    def opening(name: str, must: float | None = None, want: float | None = None) -> Line:
        speeds = [[one.per_second for one in of(server)] for server in (OURS, name)]
        what = f"opening {count:,} streams"
        return Line(
            what=what, ours=speeds[0], unit="/s", anchor=name, beside=speeds[1], must=must, want=want, least=True
        )

    def cpu(name: str) -> Line:
        spent = [[one.cpu for one in of(server)] for server in (OURS, name)]
        what = f"opening {count:,} streams, CPU of the worker for each"
        return Line(what=what, ours=spent[0], unit="µs", anchor=name, beside=spent[1])

    def memory(kind: str, name: str = "", *, goals: bool = False) -> Line:
        return Line(
            what=f"an idle {'stream' if kind == STREAM else 'waiter'}, {count:,} held",
            ours=[one.kib for one in of(OURS, kind)],
            unit="KiB",
            anchor=name,
            beside=[one.kib for one in of(name)],
            must=14 if goals else None,
            want=12 if goals else None,
        )

    lines = [
        opening(RAW, 0.5, 0.8),
        cpu(RAW),
        lag_line(f"opening {count:,} streams", [one.lag for one in of(OURS)]),
        memory(STREAM, goals=True),
        memory(STREAM, RAW),
        memory(WAIT, goals=True),
    ]
    if lacking():
        lines.append(Line(what="streams on Nchan", ours=[], anchor=LACKING))
    else:
        lines += [opening(NCHAN), memory(STREAM, NCHAN)]
    return [*lines, opening(BARE)]


if __name__ == "__main__":
    typer.run(main)
