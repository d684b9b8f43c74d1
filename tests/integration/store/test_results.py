"""Results as the provider said them, and a row for every item."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job, JobError, Outcome, Status
from polling_api.domain.result import ItemResult
from polling_api.store import results
from polling_api.store.results import Added, StoredResult

Submit = Callable[..., Awaitable[Job]]

DONE = '{"status_code":200,"body":{"n":1.50}}'


def done(custom_id: str) -> ItemResult:
    return ItemResult(custom_id, Outcome.COMPLETED, DONE)


async def test_results_are_stored_by_custom_id_and_read_in_the_order_of_submission(
    engine: AsyncEngine, submit: Submit
) -> None:
    job = replace(await submit(total=3), status=Status.SUCCEEDED)
    refused = ItemResult("item-0", Outcome.FAILED, error=JobError("bad", "No."))

    added = await results.add(engine, job.id, [done("item-2"), refused])

    assert added == Added(new=2)
    assert await results.page(engine, job, after=None, limit=10) == [
        StoredResult(0, "item-0", Outcome.FAILED, None, JobError("bad", "No.")),
        StoredResult(
            1, "item-1", Outcome.FAILED, None, JobError("no_result", "The provider gave no result for this request.")
        ),
        StoredResult(2, "item-2", Outcome.COMPLETED, DONE, None),
    ]


async def test_a_result_told_twice_is_stored_once_and_stays_as_it_was(engine: AsyncEngine, submit: Submit) -> None:
    job = await submit(total=2)
    await results.add(engine, job.id, [done("item-0")])

    added = await results.add(engine, job.id, [done("item-0"), done("item-1"), done("item-1")])

    assert added == Added(new=1)
    assert await results.tally(engine, job.id) == {Outcome.COMPLETED: 2}


@pytest.mark.parametrize(
    "otherwise",
    [
        ItemResult("item-0", Outcome.FAILED, DONE),
        ItemResult("item-0", Outcome.COMPLETED, DONE + " "),
        ItemResult("item-0", Outcome.COMPLETED),
        ItemResult("item-0", Outcome.COMPLETED, DONE, JobError("bad", "No.")),
    ],
)
async def test_what_contradicts_an_earlier_result_is_named_and_changes_nothing(
    engine: AsyncEngine, submit: Submit, otherwise: ItemResult
) -> None:
    job = replace(await submit(total=1), status=Status.SUCCEEDED)

    at_once = await results.add(engine, job.id, [done("item-0"), done("item-0"), otherwise])
    later = await results.add(engine, job.id, [otherwise, done("item-0"), otherwise])

    assert at_once == Added(new=1, contradicting=(2,))
    assert later == Added(new=0, contradicting=(0, 2))
    assert await results.page(engine, job, after=None, limit=10) == [
        StoredResult(0, "item-0", Outcome.COMPLETED, DONE, None)
    ]


async def test_results_nobody_asked_for_are_named_and_left_out(engine: AsyncEngine, submit: Submit) -> None:
    job, other = await submit(total=1), await submit(total=5)

    added = await results.add(engine, job.id, [done("item-0"), done("item-4"), done("nul\0"), done("\ud800")])

    assert added == Added(new=1, unknown=(1, 2, 3))
    assert await results.tally(engine, other.id) == {}


async def test_a_thousand_results_take_one_statement(engine: AsyncEngine, submit: Submit, asked: Any) -> None:
    job = await submit(total=1000)

    statements = await asked(results.add(engine, job.id, [done(f"item-{n}") for n in range(1000)]))

    assert len(statements) == 1
    assert await results.tally(engine, job.id) == {Outcome.COMPLETED: 1000}


async def test_more_than_a_thousand_results_at_once_are_refused(engine: AsyncEngine, submit: Submit) -> None:
    job = await submit(total=1)

    with pytest.raises(ValueError, match="1001 results"):
        await results.add(engine, job.id, [done("item-0")] * 1001)


async def test_no_results_are_no_rows(engine: AsyncEngine, submit: Submit) -> None:
    job = await submit(total=1)

    assert await results.add(engine, job.id, []) == Added(new=0)
    assert await results.tally(engine, job.id) == {}


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        (Status.SUCCEEDED, Outcome.FAILED, "no_result"),
        (Status.FAILED, Outcome.FAILED, "job_failed"),
        (Status.EXPIRED, Outcome.EXPIRED, "job_expired"),
        (Status.CANCELLED, Outcome.CANCELLED, "job_cancelled"),
    ],
)
async def test_an_item_without_a_result_takes_the_jobs_outcome(
    engine: AsyncEngine, submit: Submit, status: Status, outcome: Outcome, code: str
) -> None:
    job = replace(await submit(total=1), status=status)

    [item] = await results.page(engine, job, after=None, limit=10)

    assert item.outcome is outcome
    assert item.error is not None
    assert item.error.code == code


async def test_an_item_of_a_failed_job_says_why_the_job_failed(engine: AsyncEngine, submit: Submit) -> None:
    why = JobError("invalid_model", "There is no such model.")
    job = replace(await submit(total=1), status=Status.FAILED, error=why)

    [item] = await results.page(engine, job, after=None, limit=10)

    assert item.error == why


async def test_pages_go_on_after_an_index(engine: AsyncEngine, submit: Submit) -> None:
    job = replace(await submit(total=5), status=Status.EXPIRED)

    first = await results.page(engine, job, after=None, limit=2)
    second = await results.page(engine, job, after=first[-1].index, limit=2)
    at_the_end = await results.page(engine, job, after=4, limit=2)
    far_beyond = await results.page(engine, job, after=2**40, limit=2)

    assert [item.index for item in [*first, *second]] == [0, 1, 2, 3]
    assert at_the_end == far_beyond == []
