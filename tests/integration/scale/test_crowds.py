"""Very many clients on one process."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.carriers import RedisCarrier
from in_process.crowd import Answered, answers, ask_all, spread, until_held
from in_process.moving import Mover
from in_process.nodes import NO_COMPARISON, running_node
from polling_api.domain.job import Status
from polling_api.store.source import PrimarySource
from running.service import Service

JOBS = 50
READERS = WAITERS = 1_000
COURSE = (Status.IN_PROGRESS, Status.FINALIZING, Status.SUCCEEDED)


async def test_a_thousand_readers_and_a_thousand_waiters_on_one_process_all_see_the_end(
    unmonitored: Service, engine: AsyncEngine, redis: RedisCarrier
) -> None:
    mover = Mover(engine)
    await mover.store(JOBS)
    present = jobs = await mover.take()
    readers = await ask_all(unmonitored.url, spread(jobs, "/events", READERS))
    waiters = await ask_all(unmonitored.url, spread(jobs, "?wait=30&until=terminal", WAITERS))
    await until_held(unmonitored.url, "stream", READERS)
    await until_held(unmonitored.url, "wait", WAITERS)

    async with running_node(PrimarySource(engine), redis.transport(), NO_COMPARISON) as node:
        reading, waiting = asyncio.create_task(answers(readers)), asyncio.create_task(answers(waiters))
        for status in COURSE:
            present = await mover.commit(present, status)
            await node.hub.publish(present)
        read, waited = await reading, await waiting

    assert [answer for answer in read if answer.statuses != ["queued", *COURSE]] == []
    assert [answer for answer in waited if answer.statuses != ["succeeded"]] == []
    assert late(read) == late(waited) == []


def late(answered: list[Answered]) -> list[Answered]:
    return [answer for answer in answered if answer.delay > 5]
