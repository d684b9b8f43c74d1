"""`wait`: sleeps until a job is as it is asked to be, no longer than it is told to."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.carriers import Carrier, LocalCarrier
from in_process.moving import Mover
from in_process.nodes import NO_COMPARISON, Node, running_node
from in_process.sources import HeldSource
from polling_api.domain.job import Job, Status, new_job_id
from polling_api.errors import Unavailable
from polling_api.store.source import PrimarySource


def ended(job: Job) -> bool:
    return job.terminal


@pytest.fixture
async def node(carrier: Carrier, engine: AsyncEngine) -> AsyncIterator[Node]:
    async with running_node(PrimarySource(engine), carrier.transport(), NO_COMPARISON) as running:
        yield running


async def test_a_waiter_wakes_when_the_job_is_as_asked_and_not_before(node: Node, mover: Mover) -> None:
    job = await mover.stored()
    waiting = asyncio.create_task(node.watch.wait(job.id, ended, 5))

    present = await mover.commit([job], Status.IN_PROGRESS)
    await node.hub.publish(present)
    await node.hub.publish(await mover.commit(present, Status.SUCCEEDED))

    snapshot = await waiting
    assert snapshot
    assert snapshot.job.version == 3


async def test_a_waiter_is_answered_with_the_present_state_when_its_time_is_over(node: Node, mover: Mover) -> None:
    job = await mover.stored()
    began = time.monotonic()

    async with asyncio.timeout(10):
        snapshot = await node.watch.wait(job.id, ended, 0.2)

    assert time.monotonic() - began >= 0.2
    assert snapshot
    assert snapshot.job == job


async def test_a_job_that_is_as_asked_makes_nobody_wait(node: Node, mover: Mover) -> None:
    job = await mover.stored()
    await mover.commit([job], Status.SUCCEEDED)

    async with asyncio.timeout(15):
        snapshot = await node.watch.wait(job.id, ended, 30)

    assert snapshot
    assert snapshot.job.version == 2


async def test_a_job_that_is_not_there_makes_nobody_wait(node: Node) -> None:
    async with asyncio.timeout(15):
        assert await node.watch.wait(new_job_id(), ended, 30) is None


async def test_without_the_primary_nobody_waits(nowhere: AsyncEngine, carrier: Carrier) -> None:
    async with running_node(PrimarySource(nowhere), carrier.transport(), NO_COMPARISON) as node:
        with pytest.raises(Unavailable):
            await node.watch.wait(new_job_id(), ended, 30)


async def test_a_waiter_who_is_cancelled_leaves_nothing_behind(engine: AsyncEngine, mover: Mover) -> None:
    [job], source = await mover.store(), HeldSource(engine)
    async with running_node(source, LocalCarrier().transport(), NO_COMPARISON) as node:
        source.before_read.close()
        waiting = asyncio.create_task(node.watch.wait(job.id, ended, 30))
        await source.before_read.reached()
        source.before_read.open()
        await node.watch.get(job.id)
        topic = node.watch.live(job.id)
        assert topic
        assert len(topic.followers) == 1

        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

        assert topic.followers == set()
