"""Polls of two workers beside those of one, where each has as much of a core as the other, and cores are free.

Two cores are the worker's and the load's: there is none for a second worker. So each has a quarter of the first, by a
control group, and is as slow as on a core of a quarter of its speed; two of them leave half of it idle, as cores that
are free would be.
"""

import asyncio
from collections.abc import Mapping

import psutil
import typer
import uvloop
from stand.figures import Kept, Line, Quick, tell
from stand.load import get, load
from stand.mover import Mover, moving
from stand.quotas import parts_of_a_core
from stand.service import Stand, running_service
from stand.wire import ask_once

PART = 0.25  # of a core, for each worker
SET = "/api/v1/jobs"
ONE, TWO = "one worker", "two workers"


def main(seconds: float = 4.0, rounds: int = 5, *, quick: Quick = False, json: Kept = None) -> None:
    """Measure for so many seconds each, in each of so many rounds."""
    seconds, rounds = (1.0, 2) if quick else (seconds, rounds)
    try:
        measured = uvloop.run(_measure(seconds, rounds))
    except PermissionError as error:
        tell([Line(what=f"304s of two workers: not as this account ({error.strerror})", ours=[])], json)
        return
    what = f"304s of two workers, each with {PART:.0%} of a core: answers"
    ours, beside = ([one[name] for one in measured] for name in (TWO, ONE))
    tell([Line(what=what, ours=ours, unit="/s", anchor=ONE, beside=beside, must=1.8, least=True)], json)


async def _measure(seconds: float, rounds: int) -> list[Mapping[str, float]]:
    async with (
        running_service({}, monitor=False) as one,
        running_service({"workers": "2"}, monitor=False) as two,
        moving(one) as of_one,
        moving(two) as of_two,
    ):
        asked = {ONE: (one, await _request(one, of_one)), TWO: (two, await _request(two, of_two))}
        workers = [*_workers(one), *_workers(two)]
        two.give_a_core(*workers)
        with parts_of_a_core(workers, PART):
            await asyncio.sleep(1)
            return [
                {
                    name: (await load(stand.worker, stand.url, *request, seconds=seconds)).per_second
                    for name, (stand, request) in asked.items()
                }
                for _ in range(rounds)
            ]


async def _request(stand: Stand, mover: Mover) -> tuple[str, str]:
    """The path of a job, and the header that makes a poll of it a `304`."""
    [job] = await mover.store(1)
    etag = (await ask_once(stand.url, get(stand.url, f"{SET}/{job.id}"))).headers["etag"]
    return f"{SET}/{job.id}", f"If-None-Match: {etag}"


def _workers(stand: Stand) -> list[psutil.Process]:
    supervisor = stand.worker.parent()
    assert supervisor is not None  # noqa: S101 - `serve` runs its workers
    return [child for child in supervisor.children() if "worker" in child.cmdline()]


if __name__ == "__main__":
    typer.run(main)
