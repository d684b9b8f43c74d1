"""Commits lost in a failover: what the primary, asked twice, does not know gives way; what it may know does not."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import Message
from structlog.testing import capture_logs

from in_process.clocks import Clock
from in_process.deadlines import eventually
from in_process.following import Witness
from in_process.losing import lose, lose_all_after
from in_process.moving import Mover
from in_process.readers import FORM
from in_process.sources import HeldSource
from polling_api import metrics
from polling_api.api.answers import Answer, state
from polling_api.api.streaming import EventStream
from polling_api.api.waiting import HeldAnswer
from polling_api.domain.job import Job, Status
from polling_api.hub import Hub, LocalBus, LocalTransport, Notice
from polling_api.representation import Snapshot
from polling_api.resilience.news_first import NewsFirst
from polling_api.watch import Bounds, NoCache, StatusWatch
from polling_api.watch.contact import Contact
from polling_api.watch.loading import Loading
from polling_api.watch.topics import Topics

OFTEN = Bounds(compare_every=0.05, compare_when_deaf=0.05)
ONCE = Bounds(compare_every=600, compare_when_deaf=600)


def set_back(lost: str) -> float:
    """How often snapshots gave way in this process."""
    return metrics.SETBACKS.labels(lost)._value.get()  # type: ignore[attr-defined]


def version_of(snapshot: Snapshot | None) -> int:
    assert snapshot is not None
    return snapshot.job.version


class Watching:
    """A watch that hears no notices but those it is given, over a primary whose reads can be held."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.clock = Clock()
        self.source = HeldSource(engine)
        self._comparing: list[asyncio.Task[None]] = []
        self.watch = self.with_bounds(ONCE)

    def with_bounds(self, bounds: Bounds) -> StatusWatch:
        self.watch = StatusWatch(self.source, Hub(LocalTransport(LocalBus())), bounds, clock=self.clock)
        return self.watch

    def compare(self) -> None:
        """Begin to compare."""
        self._comparing.append(asyncio.create_task(self.watch.run()))

    async def end(self) -> None:
        for task in self._comparing:
            task.cancel()
        await asyncio.gather(*self._comparing, return_exceptions=True)


@pytest.fixture
async def watching(engine: AsyncEngine) -> AsyncIterator[Watching]:
    one = Watching(engine)
    yield one
    await one.end()


async def two_versions(mover: Mover) -> tuple[Job, Job]:
    """A job's first version, and the one after it."""
    first = await mover.stored()
    [second] = await mover.commit([first], Status.IN_PROGRESS)
    return first, second


async def test_a_version_that_a_failover_lost_gives_way_at_the_next_comparison(
    watching: Watching, mover: Mover, engine: AsyncEngine
) -> None:
    first, second = await two_versions(mover)
    witness, before = Witness(), set_back("version")
    await watching.watch.follow(second.id, witness)
    await lose_all_after(engine, first)

    with capture_logs() as logs:
        watching.compare()
        await eventually(lambda: witness.set_back_to == [1])

    assert version_of(await watching.watch.get(second.id)) == 1
    assert watching.source.comparisons == 2
    assert set_back("version") == before + 1
    assert [(line["version"], line["primary"]) for line in logs if line["event"].startswith("a snapshot gave way")] == [
        (2, 1)
    ]


async def test_a_job_that_a_failover_lost_is_gone_once_the_primary_has_said_so_twice(
    watching: Watching, mover: Mover, engine: AsyncEngine
) -> None:
    job, witness, before = await mover.stored(), Witness(), set_back("job")
    await watching.watch.follow(job.id, witness)
    await lose(engine, job)
    watching.source.after_comparison.close()

    watching.compare()
    await watching.source.after_comparison.reached()
    assert watching.watch.live(job.id) is not None
    assert not witness.gone
    watching.source.after_comparison.open()
    await witness.told_that_it_is_gone()

    assert watching.source.comparisons == 2
    assert set_back("job") == before + 1
    assert await watching.watch.get(job.id) is None


async def test_a_comparison_that_was_under_way_when_a_version_came_is_no_proof(
    watching: Watching, mover: Mover
) -> None:
    first, witness, before = await mover.stored(), Witness(), set_back("version")
    await watching.watch.follow(first.id, witness)
    watching.source.after_comparison.close()
    watching.compare()
    await watching.source.after_comparison.reached()

    [second] = await mover.commit([first], Status.IN_PROGRESS)
    watching.watch.notice(Notice.of(second))
    watching.source.after_comparison.open()
    await watching.end()

    assert version_of(await watching.watch.get(first.id)) == 2
    assert set_back("version") == before
    assert witness.set_back_to == []


async def test_what_the_primary_denies_once_and_knows_again_stays_and_was_not_confirmed_by_the_denial(
    watching: Watching, mover: Mover, engine: AsyncEngine
) -> None:
    first, second = await two_versions(mover)
    witness = Witness()
    topic = await watching.watch.follow(second.id, witness)
    assert topic is not None
    confirmed_at = topic.confirmed_at
    await lose_all_after(engine, first)
    watching.source.after_comparison.close()
    watching.clock.now += 1
    watching.compare()
    await watching.source.after_comparison.reached()

    await lose_all_after(engine, second)  # that is: it has it again
    assert topic.confirmed_at == confirmed_at
    watching.source.after_comparison.open()
    await eventually(lambda: topic.confirmed_at == watching.clock.now)

    assert version_of(await watching.watch.get(second.id)) == 2
    assert witness.set_back_to == []


async def test_a_read_that_finds_less_asks_once_more_and_then_gives_way(
    watching: Watching, mover: Mover, engine: AsyncEngine
) -> None:
    first, second = await two_versions(mover)
    assert version_of(await watching.watch.get(second.id)) == 2
    await lose_all_after(engine, first)
    watching.clock.now += 5

    snapshots = await asyncio.gather(*(watching.watch.get(second.id) for _ in range(100)))

    assert {version_of(snapshot) for snapshot in snapshots} == {1}
    assert watching.source.reads <= 4


async def test_a_read_that_finds_nothing_where_a_version_is_known_asks_once_more(
    watching: Watching, mover: Mover, engine: AsyncEngine
) -> None:
    job = await mover.stored()
    await watching.watch.get(job.id)
    await lose(engine, job)
    watching.clock.now += 5

    assert await watching.watch.get(job.id) is None
    assert watching.source.reads == 3


async def test_a_version_that_the_primary_has_given_anew_takes_the_lost_ones_place(
    watching: Watching, mover: Mover, engine: AsyncEngine
) -> None:
    first, second = await two_versions(mover)
    await watching.watch.get(second.id)
    await lose_all_after(engine, first)
    [another] = await mover.commit([first], Status.CANCELLING)
    watching.compare()

    await eventually(lambda: _status(watching.watch, first.id) == Status.CANCELLING)

    assert another.version == second.version


def _status(watch: StatusWatch, job_id: str) -> Status | None:
    topic = watch.live(job_id)
    return topic.snapshot.job.status if topic and topic.snapshot else None


async def test_who_has_seen_a_lost_version_is_shown_the_present_one(
    watching: Watching, mover: Mover, engine: AsyncEngine
) -> None:
    first, second = await two_versions(mover)
    await watching.watch.get(second.id)
    await lose_all_after(engine, first)
    watching.compare()
    await eventually(lambda: _status(watching.watch, first.id) == Status.QUEUED)

    assert version_of(await watching.watch.at_least(second.id, second.version)) == 1


async def test_a_version_that_is_lost_is_taken_back_by_a_late_notice_only_until_the_primary_is_asked_again(
    watching: Watching, mover: Mover, engine: AsyncEngine
) -> None:
    first, second = await two_versions(mover)
    witness = Witness()
    await watching.with_bounds(OFTEN).follow(second.id, witness)
    await lose_all_after(engine, first)
    watching.compare()
    await eventually(lambda: witness.set_back_to == [1])

    watching.watch.notice(Notice.of(second))

    await eventually(lambda: witness.set_back_to == [1, 1])


async def test_a_stream_ends_where_a_version_that_it_told_is_lost(
    watching: Watching, mover: Mover, engine: AsyncEngine
) -> None:
    """Its reader comes back with an id that lies in the future, and so is told the present state."""
    first, second = await two_versions(mover)
    body, ended = bytearray(), asyncio.Event()

    async def send(message: Message) -> None:
        body.extend(message.get("body", b""))
        if message["type"] == "http.response.body" and not message.get("more_body"):
            ended.set()

    stream = EventStream(watching.watch, FORM, {"path": "/"}, send)
    topic = await watching.watch.follow(second.id, stream)
    assert topic is not None
    stream.begin(topic, None)

    await lose_all_after(engine, first)
    watching.compare()
    async with asyncio.timeout(20):
        await ended.wait()

    assert body.count(b"event: job\n") == 1
    assert b"id: 2\n" in body


@pytest.mark.parametrize("begun", [True, False])
async def test_a_wait_is_answered_where_the_version_that_its_client_saw_is_lost(
    watching: Watching, mover: Mover, engine: AsyncEngine, *, begun: bool
) -> None:
    first, second = await two_versions(mover)
    answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def answer(present: Snapshot | None) -> Answer:
        answered.set_result(version_of(present))
        assert present is not None
        return state(present.rendered(FORM), granted=30)

    async def send(_message: Message) -> None:
        pass

    held = HeldAnswer({}, send, reached=lambda job: job.version > second.version, answer=answer)
    topic = await watching.watch.follow(second.id, held)
    assert topic is not None
    if begun:
        held.begin(topic, 30)
    await lose_all_after(engine, first)
    watching.compare()
    await eventually(lambda: version_of(topic.snapshot) == 1)
    if not begun:
        held.begin(topic, 30)

    assert await answered == 1
    held.end()


async def test_a_reader_who_joined_a_read_that_began_too_early_reads_once_more(
    engine: AsyncEngine, mover: Mover
) -> None:
    job, source, clock = await mover.stored(), HeldSource(engine), Clock()
    loading = Loading(Topics(10, NewsFirst()), source, NoCache(), Contact(), Bounds(), clock)
    source.after_read.close()
    early = asyncio.create_task(loading.load(job.id))
    await source.after_read.reached()

    [second] = await mover.commit([job], Status.IN_PROGRESS)
    clock.now += 10
    late = asyncio.create_task(loading.load(job.id, since=clock.now))
    await asyncio.sleep(0)  # it has joined
    source.after_read.open()
    topic = await late
    await early

    assert topic is not None
    assert version_of(topic.snapshot) == second.version
    assert topic.confirmed_at == clock.now
    assert source.reads == 2
