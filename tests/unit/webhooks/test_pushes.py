import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from in_process.deadlines import eventually
from polling_api import metrics
from polling_api.errors import Unavailable
from polling_api.store.pushes import MadeDue
from polling_api.webhooks.inbound import Pushes
from polling_api.webhooks.inbound.pushes import MOST_AT_ONCE, MOST_WAITING, PAUSES


class Jobs:
    """What the store says of batches, one answer after the other; the last for ever."""

    def __init__(self, *answers: Callable[[Sequence[str]], MadeDue]) -> None:
        self.asked: list[list[str]] = []
        self.rings = 0
        self._answers = list(answers)

    async def make_due(self, batch_ids: Sequence[str]) -> MadeDue:
        self.asked.append(list(batch_ids))
        return (self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])(batch_ids)

    def ring(self) -> None:
        self.rings += 1


def all_due(batch_ids: Sequence[str]) -> MadeDue:
    return MadeDue(batch_ids, ())


def all_held(batch_ids: Sequence[str]) -> MadeDue:
    return MadeDue((), batch_ids)


def none_known(_batch_ids: Sequence[str]) -> MadeDue:
    return MadeDue((), ())


def away(_batch_ids: Sequence[str]) -> MadeDue:
    raise Unavailable("away")


class Clock:
    """Goes on by an hour whenever it is looked at, so that no pause is waited for."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 3600
        return self._now


@asynccontextmanager
async def pushing(jobs: Jobs) -> AsyncGenerator[Pushes]:
    pushes = Pushes(jobs.make_due, jobs.ring, Clock())
    task = asyncio.create_task(pushes.run())
    try:
        yield pushes
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def counted(outcome: str) -> float:
    return metrics.REGISTRY.get_sample_value("polling_pushes_total", {"outcome": outcome}) or 0.0


async def test_the_jobs_of_all_batches_named_by_now_are_made_due_in_one_go_and_monitors_woken() -> None:
    before = counted("due"), counted("joined")
    jobs = Jobs(all_due)
    async with pushing(jobs) as pushes:
        for name in ("one", "two", "one"):
            assert pushes.take(name)

        await eventually(lambda: jobs.rings == 1)

    assert jobs.asked == [["one", "two"]]
    assert (counted("due"), counted("joined")) == (before[0] + 2, before[1] + 1)


async def test_a_job_that_a_monitor_holds_is_tried_again() -> None:
    before = counted("due")
    jobs = Jobs(all_held, all_held, all_due)
    async with pushing(jobs) as pushes:
        pushes.take("one")

        await eventually(lambda: jobs.rings == 1)

    assert jobs.asked == [["one"]] * 3
    assert counted("due") == before + 1


async def test_a_batch_that_nobody_knows_is_given_up_after_some_tries_and_wakes_nobody() -> None:
    before = counted("unknown")
    jobs = Jobs(none_known)
    async with pushing(jobs) as pushes:
        pushes.take("foreign")

        await eventually(lambda: counted("unknown") == before + 1)

    assert len(jobs.asked) == 1 + len(PAUSES)
    assert jobs.rings == 0


async def test_a_job_that_is_held_all_the_time_is_left_to_its_monitor() -> None:
    before = counted("held")
    async with pushing(Jobs(all_held)) as pushes:
        pushes.take("one")

        await eventually(lambda: counted("held") == before + 1)


async def test_a_database_that_is_away_costs_a_try() -> None:
    jobs = Jobs(away, all_due)
    async with pushing(jobs) as pushes:
        pushes.take("one")

        await eventually(lambda: jobs.rings == 1)

    assert jobs.asked == [["one"], ["one"]]


async def test_a_batch_that_is_named_again_while_it_is_asked_for_is_asked_for_again() -> None:
    def names_it_again(batch_ids: Sequence[str]) -> MadeDue:
        pushes.take("one")
        return all_due(batch_ids)

    jobs = Jobs(names_it_again, all_due)
    async with pushing(jobs) as pushes:
        pushes.take("one")

        await eventually(lambda: jobs.rings == 2)

    assert jobs.asked == [["one"], ["one"]]


async def test_a_flood_is_taken_in_bounded_pieces_up_to_a_bound() -> None:
    jobs = Jobs(all_due)
    pushes = Pushes(jobs.make_due, jobs.ring, Clock())

    taken = [pushes.take(f"batch_{number}") for number in range(MOST_WAITING + 1)]

    assert taken == [True] * MOST_WAITING + [False]
    assert pushes.take("batch_0")
    running = asyncio.create_task(pushes.run())
    await eventually(lambda: len(jobs.asked) == MOST_WAITING // MOST_AT_ONCE)
    running.cancel()
    assert {len(piece) for piece in jobs.asked} == {MOST_AT_ONCE}
