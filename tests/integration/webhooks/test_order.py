"""Whatever fails, whoever sends, however quickly jobs change: nobody is told an older version after a newer one."""

import asyncio
from collections import defaultdict
from itertools import count
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.deadlines import comes_true
from in_process.hook_receiver import FAILED, OK, Told, hook_receiver
from in_process.hooked import EVERY_STATUS, move, new_endpoint, new_job, new_owner
from polling_api.domain.job import Job, Status
from polling_api.domain.webhook import DeliveryStatus
from polling_api.store import webhook_deliveries
from polling_api.store.webhook_deliveries import Asked

JOBS, GROUP = 30, 6
COURSE = (Status.SUBMITTING, Status.IN_PROGRESS, Status.FINALIZING, Status.SUCCEEDED)


async def run_through(engine: AsyncEngine, jobs: list[Job]) -> None:
    """Take jobs through their whole course, one version after the other, without a pause."""
    for status in COURSE:
        jobs = await move(engine, jobs, status)


async def test_versions_are_told_in_order_by_dispatchers_side_by_side_while_a_third_of_the_attempts_fails(
    engine: AsyncEngine, dispatching: Any
) -> None:
    numbers = count()

    async def now_and_then(_told: Told) -> bytes:
        await asyncio.sleep(0)
        return FAILED if next(numbers) % 3 == 0 else OK

    owner = await new_owner(engine)
    async with hook_receiver(now_and_then) as receiver:
        for path in ("/1", "/2"):
            await new_endpoint(engine, owner, url=receiver.url(path), events=EVERY_STATUS)
        async with dispatching(schedule=(0.01,) * 20), dispatching(schedule=(0.01,) * 20):
            made = [await new_job(engine, owner) for _ in range(JOBS)]
            await asyncio.gather(*(run_through(engine, made[at : at + GROUP]) for at in range(0, JOBS, GROUP)))
            await receiver.until(lambda: len(ends(receiver.told)) == 2 * JOBS)
            await comes_true(lambda: nothing_pends(engine))

    versions = defaultdict[tuple[str, str], list[int]](list)
    for message in receiver.told:
        versions[message.path, message.document["data"]["id"]].append(message.version)
    assert [told for told in versions.values() if told != sorted(told)] == []
    assert {told[-1] for told in versions.values()} == {len(COURSE) + 1}


def ends(told: list[Told]) -> set[tuple[str, str]]:
    """Which jobs' ends were told where."""
    return {(one.path, one.document["data"]["id"]) for one in told if one.document["data"]["terminal"]}


async def nothing_pends(engine: AsyncEngine) -> bool:
    asked = Asked(client_id=None, status=DeliveryStatus.PENDING)
    return not await webhook_deliveries.page(engine, asked, after=None, limit=1)
