"""`make model`: a million schedules, by all cores; or one that was printed, told step by step."""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Final

from model.campaign import Errand, by_chance, done, found, systematic
from model.choices import Scripted, read
from model.explorer import Explored
from model.planted import BUGS
from model.playing import play, quietly
from model.worlds import WORLDS, Make

SCHEDULES: Final = 1_000_000
TOLD_EVERY: Final = 30.0  # seconds


def main() -> int:
    """Explore or replay; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make model", description=__doc__)
    parser.add_argument("--schedules", type=int, default=SCHEDULES, help="how many are played, or a few more")
    parser.add_argument("--seed", type=int, default=0, help="the first, of those by chance")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="side by side; by default one a core"
    )
    parser.add_argument("--replay", metavar="SCHEDULE", help="as it was printed: waiting@3:1,9:2")
    parser.add_argument("--bug", choices=sorted(BUGS), help="replay it with this bug planted")
    asked = parser.parse_args()
    return replay(asked.replay, asked.bug) if asked.replay else explore(asked.schedules, asked.seed, asked.processes)


def replay(schedule: str, bug: str | None) -> int:
    """Play one schedule, and tell what happens in it."""
    world, deviations = read(schedule)
    make = replace(Make(), **BUGS[bug].parts) if bug else Make()
    log: list[str] = []
    with quietly():
        broken = play(partial(WORLDS[world], make), Scripted(deviations), log=log).broken
    print(*log, sep="\n")
    print("No rule is broken." if broken is None else f"BROKEN: {broken}")
    return 0 if broken is None else 1


def explore(schedules: int, seed: int, processes: int) -> int:
    """Play so many schedules, by so many processes."""
    began, told, all_of_them = time.monotonic(), time.monotonic(), Explored()
    errands = chain(systematic(), by_chance(seed))
    with ProcessPoolExecutor(processes) as pool:
        under_way: dict[Future[Explored], Errand] = {}
        while len(all_of_them.played) < schedules:
            _begin(pool, errands, under_way, 3 * processes)
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                errand, explored = under_way.pop(future), future.result()
                all_of_them.add(explored)
                if report := found(errand, explored):
                    pool.shutdown(cancel_futures=True)
                    print(f"BROKEN in {errand.world}: {report}")
                    return 1
            if time.monotonic() - told > TOLD_EVERY:
                told = time.monotonic()
                _tell(all_of_them, began)
        pool.shutdown(cancel_futures=True)
    _tell(all_of_them, began)
    return 0


def _begin(
    pool: ProcessPoolExecutor, errands: Iterator[Errand], under_way: dict[Future[Explored], Errand], most: int
) -> None:
    while len(under_way) < most:
        errand = next(errands)
        under_way[pool.submit(done, errand)] = errand


def _tell(explored: Explored, began: float) -> None:
    print(
        f"{len(explored.played):,} schedules, {explored.checked:,} times a rule was held against one;"
        f" {time.monotonic() - began:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
