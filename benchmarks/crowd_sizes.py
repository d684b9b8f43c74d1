"""What a stream costs among a thousand, ten thousand and twenty thousand: to open, to hold, and to tell of a change.

Where this machine does not let a process have so many descriptors, the last crowd is as large as it does.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import typer
import uvloop
from stand.cores import cpu_of
from stand.counting import until_held
from stand.crowd import Crowd, asking
from stand.figures import Kept, Line, Quick, percentile, tell
from stand.hosts import Ours
from stand.mover import moving
from stand.service import running_service

from polling_api.server import raise_descriptor_limit

SIZES = (1_000, 10_000, 20_000)
SPARED = 1_000  # descriptors, for all but the crowd
CHANGES = 5
SETTLED = 1.0  # seconds in which a worker forgets whom it held, and those who are told are heard out
LEVEL = 1.5  # of what one costs among the fewest: those fit into the processor's caches, as plain ASGI's do
SETTINGS = {"limit_held_process": "0", "limit_connections_process": "0", "limit_connections_address": "0"}


class Costs(NamedTuple):
    """Of one stream: µs of the worker's CPU to open it and to tell it of a change, and KiB while it is held."""

    opening: float
    telling: float
    kib: float


Round = Mapping[int, Costs]


def main(rounds: int = 3, *, quick: Quick = False, json: Kept = None) -> None:
    """Measure each size in each of so many rounds."""
    most = raise_descriptor_limit() - SPARED
    sizes, rounds = ((200, 1_000), 2) if quick else (tuple(min(size, most) for size in SIZES), rounds)
    tell(_lines(uvloop.run(_measure(sizes, rounds)), sizes), json)


async def _measure(sizes: Sequence[int], rounds: int) -> list[Round]:
    async with running_service(SETTINGS, monitor=False) as stand, moving(stand) as mover:
        stand.give_a_core()
        host = Ours(stand, mover, await mover.store(1))
        await _costs(host, sizes[0], 0)  # what is made once is made then
        empty = host.process.memory_full_info().uss
        return [{size: await _costs(host, size, empty) for size in sizes} for _ in range(rounds)]


async def _costs(host: Ours, size: int, empty: int) -> Costs:
    crowd, telling = Crowd(host.url), list[float]()
    used = cpu_of(host.process)
    crowd.open(asking(host.url, lambda _: host.stream(0), size))
    await until_held(host.url, "stream", size)
    opening = cpu_of(host.process) - used
    held = host.process.memory_full_info().uss - empty
    for _ in range(CHANGES):
        crowd.expect(size)
        used = cpu_of(host.process)
        await host.change([0])
        await crowd.until_told()
        telling.append(cpu_of(host.process) - used)
        await asyncio.sleep(SETTLED / CHANGES)
    crowd.close()
    await until_held(host.url, "stream", 0)
    await asyncio.sleep(SETTLED)
    return Costs(opening / size * 1e6, percentile(telling, 50) / size * 1e6, held / size / 1024)


def _lines(rounds: list[Round], sizes: Sequence[int]) -> list[Line]:
    fewest, *others = sizes
    levels = [
        Line(
            what=f"a stream among {size:,}: {what}",
            ours=[one[size][place] for one in rounds],
            unit=unit,
            anchor=f"among {fewest:,}",
            beside=[one[fewest][place] for one in rounds],
            must=LEVEL,
        )
        for place, what, unit in (
            (0, "CPU to open it", "µs"),
            (1, "CPU to tell it of a change", "µs"),
        )
        for size in others
    ]
    # Not beside the fewest: what a process was given for more of them it keeps.
    memory = [
        Line(
            what=f"a stream among {size:,}: memory",
            ours=[one[size].kib for one in rounds],
            unit="KiB",
            must=14,
            want=12,
        )
        for size in others
    ]
    return levels + memory


if __name__ == "__main__":
    typer.run(main)
