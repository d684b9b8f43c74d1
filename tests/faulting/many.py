"""Those who watch many jobs at once: by conditional calls, held or not, and by one stream with a cursor."""

import asyncio
import time
from collections.abc import Sequence
from itertools import cycle
from random import random
from typing import Any

from faulting.balancer import Balancer
from faulting.pauses import RETURN_WITHIN
from faulting.streams import RefusedError, events
from faulting.verdict import Sight, Watched
from running.jobs import SET


async def get_many(balancer: Balancer, watched: Sequence[Watched], urls: Sequence[str], *, wait: int) -> None:
    """Ask for all jobs in one call, with the validator of what was seen of each, until all have ended.

    Args:
        balancer: asks.
        watched: one of each job.
        urls: of the workers, in the order in which they are asked.
        wait: seconds for which a call is held; 0 for none.
    """
    seen: dict[str, str] = {}
    for url in cycle(urls):
        running = [one for one in watched if not one.ended]
        if not running:
            return
        asked = [{"id": one.job_id, **({"etag": seen[one.job_id]} if one.job_id in seen else {})} for one in running]
        body = {"jobs": asked, "wait": wait if seen else 0}
        answer = await balancer.ask(url, "POST", f"{SET}/batch-get", json=body)
        told: list[dict[str, Any]] = answer.json()["data"] if answer is not None and answer.status_code == 200 else []
        for one, item in zip(running, told, strict=False):
            if item["status"] == 200:
                seen[one.job_id] = item["etag"]
                one.sights.append(Sight(time.time(), item["job"]["version"], item["job"]["status"]))
        if not told or not wait:
            await asyncio.sleep(RETURN_WITHIN * random())  # noqa: S311 - nothing secret


async def stream_many(watched: Sequence[Watched], urls: Sequence[str], opening: asyncio.Semaphore) -> None:
    """Read one stream of all jobs, resumed by its cursor now here and now there, until all have ended."""
    of = {one.job_id: one for one in watched}
    path, cursor = f"{SET}/events?ids={','.join(of)}", ""
    for url in cycle(urls):
        pause = RETURN_WITHIN
        try:
            async with events(url, path, cursor, opening) as told:
                async for event in told:
                    cursor = event.id
                    if event.event == "job":
                        job = event.job
                        of[job["id"]].sights.append(Sight(time.time(), job["version"], job["status"]))
        except RefusedError as refused:
            pause = max(pause, 2 * refused.retry_after)
        except (OSError, EOFError, TimeoutError):
            pass
        if all(one.ended for one in watched):
            return
        await asyncio.sleep(pause * (1 + random()) / 2)  # noqa: S311 - nothing secret
