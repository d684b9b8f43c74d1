"""One fault from beginning to end: jobs that change all the while, watchers of each, and the verdict."""

import asyncio
import time

from faulting.faults import Fault
from faulting.lag import lags, worst_p99
from faulting.pauses import WAIT
from faulting.stand import Stand
from faulting.verdict import Outcome, Seen, judge
from faulting.watchers import Watchers
from running.jobs import QUIET, SET, batch

JOBS = 6  # each with a poller, a waiter, a stream and a reader of pages
ITEMS = 3  # of each job: more than a page of results has
WELL_WITHIN = 90.0  # seconds


async def carry_out(fault: Fault, stand: Stand, seconds: float, crowd: int) -> Outcome:
    """Do a fault for so many seconds, and tell what came of it; comes back when all is well again.

    Args:
        fault: what to do.
        stand: to whom.
        seconds: how long.
        crowd: streams beside those that every fault has, if it wants them.
    """
    watchers = Watchers(stand.client, stand.service.worker_urls)
    try:
        return await _carried_out(fault, stand, seconds, crowd, watchers)
    finally:
        watchers.leave()


async def _carried_out(fault: Fault, stand: Stand, seconds: float, crowd: int, watchers: Watchers) -> Outcome:
    ids = [await _submit(stand, _script(number / JOBS, seconds)) for number in range(JOBS)]
    for job_id in ids:
        watchers.poll(job_id)
        watchers.wait(job_id)
        watchers.stream(job_id)
        watchers.page(job_id, ITEMS)
    watchers.get_many(ids, wait=0)
    watchers.get_many(ids, wait=WAIT)
    watchers.stream_many(ids)
    cold = [await _submit(stand, _script(number / JOBS, seconds)) for number in range(JOBS if fault.replicated else 0)]
    for job_id in cold:
        watchers.poll(job_id)
    quiet = await _submit(stand, QUIET) if fault.crowd else None
    if quiet is not None:
        watchers.crowd(quiet, crowd)
    await watchers.streaming()
    watchers.submit()
    before, began = await lags(stand), time.time()
    async with fault.make(stand):
        await asyncio.sleep(seconds)
        lag = worst_p99(before, await lags(stand))
    over = time.time()
    await _until_well(stand)
    recovered = time.time() - over
    if quiet is not None:
        await stand.client.post(f"{stand.service.url}{SET}/{quiet}/cancel")
    await watchers.finish()
    seen = Seen(watchers.watched, watchers.accepted, began, over)
    truth = await stand.truth({*ids, *cold, *watchers.accepted, *([quiet] if quiet else [])})
    return judge(seen, truth, lag=lag, recovered=recovered)


def _script(share: float, seconds: float) -> str:
    """A course whose changes fall before, into and after a fault of so many seconds."""
    step = round(seconds / 4 * (0.5 + share), 2)
    return f"queued {step}s, in_progress {step}s @20%, in_progress {step}s @60%, finalizing {step}s, succeeded"


async def _submit(stand: Stand, script: str) -> str:
    answer = await stand.client.post(f"{stand.service.url}{SET}", json=batch(ITEMS, script=script))
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def _until_well(stand: Stand) -> None:
    """Nothing is away, and a job that is submitted at any worker is read there with no mark, and soon succeeds."""
    async with asyncio.timeout(WELL_WITHIN):
        while not await stand.well():  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.1)
        for url in stand.service.worker_urls:
            while not await _served(stand, url):  # noqa: ASYNC110 - other processes
                await asyncio.sleep(0.1)


async def _served(stand: Stand, url: str) -> bool:
    submitted = await stand.client.post(f"{url}{SET}", json=batch(script="succeeded"))
    if submitted.status_code != 202:
        return False
    path = f"{url}{submitted.json()['links']['self']}"
    read = await stand.client.get(path, params={"wait": "30", "until": "terminal"}, timeout=40)
    return read.status_code == 200 and "age" not in read.headers and read.json()["status"] == "succeeded"
