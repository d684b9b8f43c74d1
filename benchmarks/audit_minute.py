"""The audit's minute: 1000 active jobs, 2000 polls, 200 changes; what Postgres and Redis are asked for it."""

import asyncio
import time
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import orjson
import typer
import uvloop
from sqlalchemy.ext.asyncio import create_async_engine
from stand.counting import Till
from stand.figures import Kept, Line, Quick, tell
from stand.load import get
from stand.naive import naive_service
from stand.service import Stand, running_service
from stand.wire import Wire, ask_once

from polling_api.domain.job import Job
from polling_api.store import jobs as stored
from polling_api.store.engine import driver_url

SET = "/api/v1/jobs"
CONNECTIONS = 40
SUBMITTING = 16
# Seconds until the minute begins: all have to be in progress, and the simulator's clock run.
LEAD, LEAD_EACH = 15.0, 0.04
QUIET = 10.0  # seconds of each stretch by which is told what grows with the polls
LIGHT, HEAVY = 1000, 5000  # polls in it, of a tenth of the jobs: of each several between two comparisons
LOOKS = 0.5  # of the minute, from one look upstream at a job until the next
ITEMS = 10  # of a job: progress makes a version where its whole percent changes
SEEN = 0.7  # of the changes that are wanted: fewer, and it was not the minute that was to be measured
GROWS = 0.1  # calls for a poll, below which is the noise of what runs beside; one in the way of polls would be 1


class Minute(NamedTuple):
    """What was asked and done in a stretch of time."""

    statements: int
    commands: int
    changes: int


class Measured(NamedTuple):
    """The minute, the naive service's statements for as many polls and changes, and what a poll more costs."""

    minute: Minute
    naive: int
    statements_more: float
    commands_more: float


def main(
    jobs: int = 1000,
    polls: int = 2000,
    changes: int = 200,
    seconds: float = 60,
    *,
    quick: Quick = False,
    json: Kept = None,
) -> None:
    """Measure so many jobs, polls and changes in so many seconds."""
    jobs, polls, changes, seconds = (150, 300, 30, 12) if quick else (jobs, polls, changes, seconds)
    tell(_lines(uvloop.run(_measure(jobs, polls, changes, seconds)), jobs, polls, seconds), json)


async def _measure(jobs: int, polls: int, changes: int, seconds: float) -> Measured:
    # A minute that is shorter than one has its looks upstream as much closer together.
    settings = {"retention_every": "3600", "monitor_interval": f"{LOOKS * seconds:g}"}
    async with running_service(settings) as stand:
        till = Till(stand.database_url, stand.redis_url)
        await till.open()
        begins = time.time() + LEAD + LEAD_EACH * jobs
        ids = await _submit(stand, jobs, changes, begins, seconds)
        await _poll(stand.url, ids, len(ids), 0)  # as of the minute before
        await asyncio.sleep(max(0, begins - time.time()))
        minute = await _counted(stand, till, ids, polls, seconds)
        if minute.changes < SEEN * changes:
            raise SystemExit(f"{minute.changes} changes were seen, of {changes}")
        light = await _counted(stand, till, ids[: jobs // 10], LIGHT, QUIET)
        heavy = await _counted(stand, till, ids[: jobs // 10], HEAVY, QUIET)
        async with naive_service(stand.database_url, await _read(stand, ids)) as naive:
            naively = await _naive_statements(naive.url, naive.database_url, ids, polls, minute.changes)
        statements, commands = (
            max(0, more - fewer) / (HEAVY - LIGHT) for fewer, more in zip(light[:2], heavy[:2], strict=True)
        )
        return Measured(minute, naively, statements, commands)


async def _submit(stand: Stand, count: int, changes: int, begins: float, seconds: float) -> list[str]:
    """Submit jobs, so many of which are seen to change, each once, within the minute that begins at a time.

    A change is seen at the next look: those of the last half of the minute before are among them, and of this minute's
    last half as many are not.
    """
    chance, left, ids = Random(9), list(range(count)), list[str]()  # noqa: S311 - the same minute in every run

    async def submit() -> None:
        wire = await Wire.to(stand.url)
        while left:
            number = left.pop()
            pause = begins - time.time() + chance.uniform(-LOOKS * seconds, seconds)
            course = f"in_progress {pause:.2f}s @10%, " if number < changes * (1 + LOOKS) else ""
            body = orjson.dumps(
                {
                    "requests": [{"custom_id": f"{item}", "body": {"model": "made-up"}} for item in range(ITEMS)],
                    "metadata": {"simulator": f"{course}in_progress 3600s @50%, succeeded"},
                }
            )
            head = get(stand.url, SET, "Content-Type: application/json", f"Content-Length: {len(body)}")
            answer = await wire.ask(head.replace(b"GET", b"POST", 1) + body)
            ids.append(orjson.loads(answer.body)["id"])
        wire.close()

    await asyncio.gather(*(submit() for _ in range(SUBMITTING)))
    return ids


async def _counted(stand: Stand, till: Till, ids: Sequence[str], polls: int, seconds: float) -> Minute:
    before = await till.statements(), await till.commands(), await till.changes()
    await _poll(stand.url, ids, polls, seconds)
    after = await till.statements(), await till.commands(), await till.changes()
    return Minute(*(later - sooner for sooner, later in zip(before, after, strict=True)))


async def _poll(url: str, ids: Sequence[str], polls: int, seconds: float) -> None:
    """Poll job after job, from many connections, with what was seen before."""
    began, turns = time.perf_counter(), iter(range(polls))

    async def poll() -> None:
        wire, etags = await Wire.to(url), dict[str, str]()
        for turn in turns:
            await asyncio.sleep(max(0, began + turn / polls * seconds - time.perf_counter()))
            job = ids[turn % len(ids)]
            asked = [f"If-None-Match: {etags[job]}"] if job in etags else []
            etags[job] = (await wire.ask(get(url, f"{SET}/{job}", *asked))).headers.get("etag", "")
        wire.close()

    await asyncio.gather(*(poll() for _ in range(CONNECTIONS)))
    await asyncio.sleep(max(0, began + seconds - time.perf_counter()))


async def _read(stand: Stand, ids: Sequence[str]) -> list[Job]:
    engine = create_async_engine(driver_url(stand.database_url))
    found = list((await stored.read(engine, list(ids))).values())
    await engine.dispose()
    return found


async def _naive_statements(url: str, database_url: str, ids: Sequence[str], polls: int, changes: int) -> int:
    till = Till(database_url)
    await till.open()
    await _poll(url, ids, CONNECTIONS, 0)  # its pool is filled
    before = await till.statements()
    await _poll(url, ids, polls, 0)
    for number in range(changes):
        change = get(url, f"{SET}/{ids[number % len(ids)]}/change").replace(b"GET", b"POST", 1)
        await ask_once(url, change)
    return await till.statements() - before


def _lines(measured: Measured, jobs: int, polls: int, seconds: float) -> list[Line]:
    minute, what = measured.minute, f"{jobs:,} active jobs, {polls:,} polls and {measured.minute.changes} changes in "
    return [
        Line(
            what=f"{what}{seconds:.0f} s: SQL statements",
            ours=[minute.statements],
            anchor="naive",
            beside=[measured.naive],
            must=1 / 4,
            want=1 / 6,
        ),
        Line(what=f"{what}{seconds:.0f} s: Redis commands", ours=[minute.commands]),
        Line(what="SQL statements for a poll more", ours=[measured.statements_more], must=GROWS, want=GROWS),
        Line(what="Redis commands for a poll more", ours=[measured.commands_more], must=GROWS, want=GROWS),
    ]


if __name__ == "__main__":
    typer.run(main)
