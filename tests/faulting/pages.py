"""Those who read a job's history, and then its results, page by page, each page of the next worker."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from random import random
from typing import Any

from faulting.balancer import Balancer
from faulting.pauses import RETURN_WITHIN
from faulting.verdict import Sight, Watched
from running.jobs import SET

PAGE = 2  # versions
WALK_EVERY = 1.0  # seconds


async def read_pages(balancer: Balancer, watched: Watched, urls: Sequence[str]) -> None:
    """Walk through the history again and again, until it tells the end; then through the results, once.

    What an earlier walk was told has to be told by each later one. Where it is not, all that this one was told is taken
    for seen once more, so that it is counted as having gone back.
    """
    workers, known = cycle(urls), list[tuple[int, str]]()
    while not watched.told_the_end:
        entries = await _walk(balancer, workers, watched, "history", "cursor", PAGE)
        walked = [(entry["version"], entry["status"]) for entry in entries]
        news = walked[len(known) :] if walked[: len(known)] == known else walked
        watched.sights += [Sight(time.time(), version, status) for version, status in news]
        known = walked
        await asyncio.sleep(WALK_EVERY)
    results = await _walk(balancer, workers, watched, "results", "after", 1)
    watched.results += [result["index"] for result in results]


async def _walk(
    balancer: Balancer, workers: Iterator[str], watched: Watched, what: str, parameter: str, limit: int
) -> list[dict[str, Any]]:
    """All pages of a list, each asked for until it is given."""
    told: list[dict[str, Any]] = []
    place: dict[str, str] = {}
    while True:
        path = f"{SET}/{watched.job_id}/{what}"
        answer = await balancer.ask(next(workers), "GET", path, params={"limit": str(limit), **place})
        if answer is None or answer.status_code != 200:
            await asyncio.sleep(RETURN_WITHIN * random())  # noqa: S311 - nothing secret
            continue
        page = answer.json()
        told += page["data"]
        if not page["has_more"]:
            return told
        place = {parameter: page["next_cursor"]}
