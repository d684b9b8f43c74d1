"""Results as the provider said them, and a row for every item."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.stored_results import items_of
from polling_api.domain.job import Job, JobError, Outcome, Status
from polling_api.domain.result import ItemResult
from polling_api.store import result_pages, results
from polling_api.store.result_pages import StoredResult
from polling_api.store.results import Added

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
    assert await items_of(engine, job) == [
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
    assert await items_of(engine, job) == [StoredResult(0, "item-0", Outcome.COMPLETED, DONE, None)]


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

    [item] = await items_of(engine, job)

    assert item.outcome is outcome
    assert item.error is not None
    assert item.error.code == code


async def test_an_item_of_a_failed_job_says_why_the_job_failed(engine: AsyncEngine, submit: Submit) -> None:
    why = JobError("invalid_model", "There is no such model.")
    job = replace(await submit(total=1), status=Status.FAILED, error=why)

    [item] = await items_of(engine, job)

    assert item.error == why


async def test_pages_go_on_after_an_index(engine: AsyncEngine, submit: Submit) -> None:
    job = replace(await submit(total=5), status=Status.EXPIRED)

    first = await items_of(engine, job, limit=2)
    second = await items_of(engine, job, after=first[-1].index, limit=2)
    at_the_end = await items_of(engine, job, after=4, limit=2)
    far_beyond = await items_of(engine, job, after=2**40, limit=2)

    assert [item.index for item in [*first, *second]] == [0, 1, 2, 3]
    assert at_the_end == far_beyond == []


async def test_a_page_ends_after_the_item_that_goes_beyond_its_bytes(engine: AsyncEngine, submit: Submit) -> None:
    job = replace(await submit(total=5), status=Status.SUCCEEDED)
    large = '{"status_code":200,"body":"%s"}' % ("x" * 1000)
    await results.add(engine, job.id, [ItemResult(f"item-{n}", Outcome.COMPLETED, large) for n in range(5)])

    pages = [
        await result_pages.page(engine, job, after=after, limit=10, most_bytes=most_bytes)
        for after, most_bytes in ((None, 1), (None, 1500), (2, 1500), (None, 10**6))
    ]

    assert [[item.index for item in page.items] for page in pages] == [[0], [0, 1], [3, 4], [0, 1, 2, 3, 4]]
    assert [page.more for page in pages] == [True, True, False, False]


async def test_a_page_without_responses_is_bounded_by_its_number_alone(engine: AsyncEngine, submit: Submit) -> None:
    job = replace(await submit(total=3), status=Status.SUCCEEDED)
    await results.add(engine, job.id, [done(f"item-{n}") for n in range(3)])

    page = await result_pages.page(engine, job, after=None, limit=2, most_bytes=1, responses=False)

    assert [(item.index, item.outcome, item.response) for item in page.items] == [
        (0, Outcome.COMPLETED, None),
        (1, Outcome.COMPLETED, None),
    ]
    assert page.more


async def test_items_with_an_outcome_are_found_whether_told_or_taken_from_the_job(
    engine: AsyncEngine, submit: Submit
) -> None:
    job = replace(await submit(total=6), status=Status.CANCELLED)
    refused = ItemResult("item-1", Outcome.FAILED, error=JobError("bad", "No."))
    await results.add(engine, job.id, [done("item-3"), refused])

    found = {outcome: [item.index for item in await items_of(engine, job, outcome=outcome)] for outcome in Outcome}

    assert found == {
        Outcome.COMPLETED: [3],
        Outcome.FAILED: [1],
        Outcome.EXPIRED: [],
        Outcome.CANCELLED: [0, 2, 4, 5],
    }
    after = await items_of(engine, job, outcome=Outcome.CANCELLED, after=2, limit=1)
    assert [item.index for item in after] == [4]
