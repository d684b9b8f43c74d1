"""No wake-up is lost: whenever a waiter arrives, and whatever becomes of the notice."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.carriers import RedisCarrier
from in_process.listening import Recorder
from in_process.moving import Mover
from in_process.nodes import NO_COMPARISON, Node, running_node
from in_process.readers import PATIENCE, Seen, read_to_the_end, wait_for_the_end
from in_process.sources import HeldSource
from in_process.stalls import Stalls, watched_stalls
from polling_api.domain.job import Job, Status
from polling_api.store.source import PrimarySource
from polling_api.watch import Bounds

JOBS = 500  # so many arrive all over a change
SOME_JOBS = 150  # enough for each stretch of a trouble to hold dozens of changes
POINTS = 5  # of a change, each with a node of its own, where nobody has asked for the job before
SWEPT = 0.03  # seconds over which the arrivals at the last node are spread: longer than a change takes
PROMISED = 5.0  # seconds from the commit to every waiter and every stream
# The primary is well in these tests: where it does not answer within two seconds, the machine is busy.
PATIENT = Bounds(answer_within=PATIENCE)
DEAF = replace(NO_COMPARISON, answer_within=PATIENCE)
STALLED = 10  # times as long as the loop once stood still, beyond that: it does so again and again on such a machine


@dataclass
class Change:
    """One job's change, and what those who waited for it saw."""

    job: Job
    committed_at: float = 0.0
    arrivals: list[asyncio.Task[Seen]] = field(default_factory=list[asyncio.Task[Seen]])

    def arrive(self, node: Node) -> None:
        """A waiter and a stream begin, cold."""
        self.arrivals.append(asyncio.create_task(wait_for_the_end(node.watch, self.job.id)))
        self.arrivals.append(asyncio.create_task(read_to_the_end(node.watch, self.job.id)))

    async def seen(self) -> list[Seen]:
        """What each of them saw at last."""
        return await asyncio.gather(*self.arrivals)


@pytest.fixture
async def stalls() -> AsyncIterator[Stalls]:
    async with watched_stalls() as watched:
        yield watched


@pytest.fixture
async def nodes(request: pytest.FixtureRequest, engine: AsyncEngine, redis: RedisCarrier) -> AsyncIterator[list[Node]]:
    """So many nodes, with the bounds that the test asks for."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(running_node(PrimarySource(engine), redis.transport(), request.param))
            for _ in range(POINTS)
        ]


@pytest.fixture
async def changes(request: pytest.FixtureRequest, engine: AsyncEngine) -> tuple[Mover, list[Change]]:
    """Changes to come, of 150 jobs unless the test asks for another number."""
    mover = Mover(engine)
    jobs = await mover.store(getattr(request, "param", SOME_JOBS))
    await mover.take()
    return mover, [Change(job) for job in jobs]


async def carry_out(change: Change, number: int, mover: Mover, nodes: Sequence[Node], *, publishing: bool) -> None:
    """Change a job while clients arrive at every point of the change."""
    before, committed, telling, told, swept = nodes
    sweeping = asyncio.create_task(arrive_after(SWEPT * number / JOBS, change, swept))
    change.arrive(before)
    await asyncio.sleep(0)
    [ended] = await mover.commit([change.job], Status.SUCCEEDED)
    change.committed_at = time.time()
    change.arrive(committed)
    await asyncio.sleep(0)
    if publishing:
        await before.hub.publish([ended])
    change.arrive(telling)
    await before.hub.flushed()
    change.arrive(told)
    await sweeping


async def arrive_after(seconds: float, change: Change, node: Node) -> None:
    """Arrive at a moment that falls anywhere into the change."""
    await asyncio.sleep(seconds)
    change.arrive(node)


async def carry_out_all(
    changes: Sequence[Change], mover: Mover, nodes: Sequence[Node], *, publishing: bool = True
) -> None:
    """Some at a time, so that the clients of a change arrive while it is made."""
    for first in range(0, len(changes), 20):
        await asyncio.gather(
            *(
                carry_out(change, number, mover, nodes, publishing=publishing)
                for number, change in enumerate(changes[first : first + 20], start=first)
            )
        )


async def late_or_lost(changes: Sequence[Change], stalls: Stalls) -> list[tuple[Change, Seen]]:
    """Who did not see the end within the promised time, or saw a version twice or out of order."""
    told = [(change, seen) for change in changes for seen in await change.seen()]
    within = PROMISED + STALLED * stalls.longest
    return [
        (change, seen)
        for change, seen in told
        if not seen.terminal or seen.at - change.committed_at > within or seen.versions not in ([2], [1, 2])
    ]


@pytest.mark.parametrize(("nodes", "changes"), [(DEAF, JOBS)], indirect=True)
async def test_at_whatever_point_of_a_change_a_client_arrives_it_needs_no_comparison_to_see_it(
    nodes: list[Node], changes: tuple[Mover, list[Change]], stalls: Stalls
) -> None:
    mover, all_changes = changes

    await carry_out_all(all_changes, mover, nodes)

    assert await late_or_lost(all_changes, stalls) == []
    assert sum(len(change.arrivals) for change in all_changes) == JOBS * POINTS * 2


async def test_who_read_before_a_change_and_is_answered_after_it_was_told_needs_no_comparison_either(
    engine: AsyncEngine, changes: tuple[Mover, list[Change]], redis: RedisCarrier
) -> None:
    (mover, all_changes), source, recorder = changes, HeldSource(engine), Recorder()
    async with running_node(source, redis.transport(), DEAF) as node:
        node.hub.join(recorder)  # after the watch: what it hears, the watch has taken
        source.after_read.close()
        for change in all_changes:
            change.arrive(node)
        await source.after_read.reached()

        await node.hub.publish(await mover.commit([change.job for change in all_changes], Status.SUCCEEDED))
        await recorder.versions_told(SOME_JOBS)
        source.after_read.open()

        seen = [one for change in all_changes for one in await change.seen()]

    assert source.reads == 2  # the first was made before what was told meanwhile, and so says nothing about it
    assert [one for one in seen if one.versions != [2]] == []


@pytest.mark.parametrize("nodes", [PATIENT], indirect=True)
async def test_with_redis_killed_and_restarted_in_the_middle_everybody_sees_the_end(
    nodes: list[Node], changes: tuple[Mover, list[Change]], redis: RedisCarrier, stalls: Stalls
) -> None:
    mover, all_changes = changes

    await carry_out_all(all_changes[:40], mover, nodes)
    await asyncio.gather(redis.go_down(), carry_out_all(all_changes[40:80], mover, nodes))
    await carry_out_all(all_changes[80:120], mover, nodes)
    await asyncio.gather(redis.come_back(), carry_out_all(all_changes[120:], mover, nodes))

    assert await late_or_lost(all_changes, stalls) == []


@pytest.mark.parametrize("nodes", [PATIENT], indirect=True)
async def test_with_redis_frozen_in_the_middle_everybody_sees_the_end(
    nodes: list[Node], changes: tuple[Mover, list[Change]], redis: RedisCarrier, stalls: Stalls
) -> None:
    mover, all_changes = changes

    await carry_out_all(all_changes[:50], mover, nodes)
    redis.freeze()
    await carry_out_all(all_changes[50:100], mover, nodes)
    redis.thaw()
    await carry_out_all(all_changes[100:], mover, nodes)

    assert await late_or_lost(all_changes, stalls) == []


@pytest.mark.parametrize("nodes", [PATIENT], indirect=True)
async def test_if_nobody_publishes_everybody_sees_the_end(
    nodes: list[Node], changes: tuple[Mover, list[Change]], stalls: Stalls
) -> None:
    mover, all_changes = changes

    await carry_out_all(all_changes, mover, nodes, publishing=False)

    assert await late_or_lost(all_changes, stalls) == []
