"""Polls of one worker: `304`s and `200`s a second, beside plain ASGI, FastAPI and the naive service, turn by turn."""

from collections.abc import Mapping
from typing import NamedTuple

import psutil
import typer
import uvloop
from stand.anchors import anchor
from stand.figures import Kept, Line, Quick, tell
from stand.load import Load, get, load
from stand.mover import moving
from stand.naive import naive_service
from stand.service import running_service
from stand.wire import ask_once

RAW, WHOLE, FASTAPI, NAIVE, CEILING = "raw ASGI", "raw ASGI, 200", "FastAPI, prebuilt", "naive", "no HTTP at all"


class Asked(NamedTuple):
    """One thing that is asked of one server, again and again."""

    process: psutil.Process
    url: str
    path: str
    headers: tuple[str, ...] = ()


def main(seconds: float = 2.0, rounds: int = 5, *, quick: Quick = False, json: Kept = None) -> None:
    """Measure for so many seconds each thing, in each of so many rounds."""
    seconds, rounds = (0.5, 2) if quick else (seconds, rounds)
    tell(_lines(uvloop.run(_measure(seconds, rounds))), json)


async def _measure(seconds: float, rounds: int) -> list[Mapping[str, Load]]:
    async with (
        running_service({}, monitor=False) as stand,
        moving(stand) as mover,
        anchor("stand.raw_asgi") as raw,
        anchor("stand.prebuilt") as fastapi,
        anchor("stand.bare") as bare,
    ):
        jobs = await mover.store(1)
        async with naive_service(stand.database_url, jobs) as naive:
            path = f"/api/v1/jobs/{jobs[0].id}"
            etag = (await ask_once(stand.url, get(stand.url, path))).headers["etag"]
            stand.give_a_core(raw.process, fastapi.process, bare.process, naive.process)
            asked = {
                CEILING: Asked(bare.process, bare.url, "/"),
                RAW: Asked(raw.process, raw.url, "/304"),
                "304": Asked(stand.worker, stand.url, path, (f"If-None-Match: {etag}",)),
                WHOLE: Asked(raw.process, raw.url, "/200"),
                "200": Asked(stand.worker, stand.url, path),
                FASTAPI: Asked(fastapi.process, fastapi.url, path),
                NAIVE: Asked(naive.process, naive.url, path),
            }
            return [
                {
                    name: await load(one.process, one.url, one.path, *one.headers, seconds=seconds)
                    for name, one in asked.items()
                }
                for _ in range(rounds)
            ]


def _lines(rounds: list[Mapping[str, Load]]) -> list[Line]:
    def of(name: str) -> list[float]:
        return [one[name].per_second for one in rounds]

    lines: list[Line] = []
    for kind, raw in (("304", RAW), ("200", WHOLE)):
        what = f"status GET, {kind}: answers"
        lines += [
            Line(what=what, ours=of(kind), unit="/s", anchor=raw, beside=of(raw), must=0.5, want=0.65, least=True),
            Line(what=what, ours=of(kind), unit="/s", anchor=NAIVE, beside=of(NAIVE), must=20, want=30, least=True),
            Line(what=what, ours=of(kind), unit="/s", anchor=FASTAPI, beside=of(FASTAPI)),
            Line(
                what=f"status GET, {kind}: p99",
                ours=[one[kind].p99 * 1e3 for one in rounds],
                unit="ms",
                anchor=raw,
                beside=[one[raw].p99 * 1e3 for one in rounds],
                must=2,
            ),
            Line(
                what=f"status GET, {kind}: CPU of the worker",
                ours=[one[kind].microseconds for one in rounds],
                unit="µs",
                anchor=raw,
                beside=[one[raw].microseconds for one in rounds],
            ),
        ]
    return [
        *lines,
        Line(what="the load generator's own ceiling", ours=of(CEILING), unit="/s", anchor=RAW, beside=of(RAW)),
    ]


if __name__ == "__main__":
    typer.run(main)
