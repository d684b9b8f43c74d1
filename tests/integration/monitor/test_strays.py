"""Whatever the provider says of a batch's items: the counts add up, what fits none is kept, no other job waits."""

import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.stored_results import items_of
from polling_api import metrics
from polling_api.domain.job import Outcome, Progress, Status
from polling_api.monitor import BatchMonitor
from polling_api.store import jobs

Submit = Callable[..., Awaitable[str]]
Monitoring = Callable[..., AbstractAsyncContextManager[BatchMonitor]]
Sql = Callable[..., Awaitable[Any]]
Told = Callable[..., Awaitable[str]]

STRAYS = "SELECT coalesce(json_agg(json_build_array(kind, custom_id) ORDER BY number), '[]') FROM strays"


def done(custom_id: str, answer: str = "yes") -> str:
    return json.dumps({"custom_id": custom_id, "response": {"status_code": 200, "body": answer}})


def refused(custom_id: str) -> str:
    return json.dumps({"custom_id": custom_id, "response": None, "error": {"code": "bad", "message": "No."}})


ALL = [done(f"item-{n}") for n in range(4)]


@pytest.fixture
def told(submit: Submit, monitoring: Monitoring, news: Any, simulator: Any, sql: Sql) -> Told:
    """Run a job of four items to its end, of which the provider's files say what the test wants; answers its id."""

    async def run(output: list[str], errors: list[str] | None = None, *, times: int = 1, **faults: Any) -> str:
        job_id = await submit("in_progress 0.4s @50%, succeeded @100% fail=1")
        async with monitoring(lease=60):
            await news.reached(Status.IN_PROGRESS, job_id)
            batch_id = await sql("SELECT upstream_id FROM jobs WHERE id = :id", id=job_id)
            files = f"/v1/files/file-{batch_id.removeprefix('batch_')}"
            garbage = {"kind": "garbage", "method": "GET", "exact": True, "count": times}
            await simulator.order(**garbage, path=f"{files}-output/content", value="\n".join(output))
            if faults:
                await simulator.order(**faults, method="GET", path=f"{files}-errors/content")
            await simulator.order(**garbage, path=f"{files}-errors/content", value="\n".join(errors or []))
            await news.ended(job_id)
        return job_id

    return run


@pytest.mark.parametrize(
    ("output", "errors", "progress", "strays"),
    [
        pytest.param(ALL, [], Progress(4, completed=4), [], id="all of them"),
        pytest.param([], [], Progress(4, failed=4), [], id="nothing at all"),
        pytest.param(ALL[:1], [refused("item-3")], Progress(4, completed=1, failed=3), [], id="fewer than promised"),
        pytest.param(
            [*ALL, done("item-4"), done("item-0 ")],
            [refused("who?")],
            Progress(4, completed=4),
            [["unknown_item", "item-4"], ["unknown_item", "item-0 "], ["unknown_item", "who?"]],
            id="more than promised",
        ),
        pytest.param([*ALL, *ALL], [], Progress(4, completed=4), [], id="all of them twice"),
        pytest.param(
            [done("item-0"), done("item-0", "no"), *ALL[1:]],
            [],
            Progress(4, completed=4),
            [["contradiction", "item-0"]],
            id="one twice and otherwise",
        ),
        pytest.param(
            ALL,
            [refused("item-1"), refused("item-2")],
            Progress(4, completed=4),
            [["contradiction", "item-1"], ["contradiction", "item-2"]],
            id="an error file that disagrees",
        ),
        pytest.param(
            [ALL[0], "{", "no JSON", '"text"', "[1]", '{"custom_id":"item-1"}', '{"custom_id":7,"response":{}}'],
            ["\x00", refused("item-2")],
            Progress(4, completed=1, failed=3),
            [["unreadable", None]] * 7,
            id="no JSON, or none that says anything",
        ),
    ],
)
async def test_the_counts_add_up_and_what_fits_no_item_is_kept(
    engine: AsyncEngine,
    told: Told,
    sql: Sql,
    output: list[str],
    errors: list[str],
    progress: Progress,
    strays: list[Any],
) -> None:
    job_id = await told(output, errors)

    job = (await jobs.read(engine, [job_id]))[job_id]
    assert (job.status, job.progress) == (Status.SUCCEEDED, progress)
    items = await items_of(engine, job)
    assert [item.outcome for item in items].count(Outcome.COMPLETED) == progress.completed
    assert len(items) == 4
    assert await sql(STRAYS) == strays


async def test_what_was_told_can_be_compared_with_what_is_stored(engine: AsyncEngine, told: Told, sql: Sql) -> None:
    job_id = await told([done("item-0"), done("item-0", "no")], [refused("item-0")])

    job = (await jobs.read(engine, [job_id]))[job_id]
    [item, *_] = await items_of(engine, job, limit=1)
    assert item.response == '{"status_code":200,"body":"yes"}'
    assert await sql("SELECT json_agg(line::json ORDER BY number) FROM strays") == [
        {"outcome": "completed", "error": None, "response": '{"status_code":200,"body":"no"}'},
        {"outcome": "failed", "error": {"code": "bad", "message": "No."}, "response": None},
    ]


async def test_what_is_told_anew_after_a_broken_try_is_kept_once(told: Told, sql: Sql) -> None:
    await told([done("who?"), "?", *ALL], ["?"], times=2, kind="drop_after", count=4)

    assert await sql(STRAYS) == [["unknown_item", "who?"], ["unreadable", None], ["unreadable", None]]


async def test_strays_are_counted_by_their_kind(told: Told) -> None:
    before = {kind: count_of(kind) for kind in ("unreadable", "unknown_item", "contradiction")}

    await told([*ALL, "?", "?", done("who?"), done("item-0", "no")])

    grown = {kind: count_of(kind) - count for kind, count in before.items()}
    assert grown == {"unreadable": 2, "unknown_item": 1, "contradiction": 1}


async def test_a_flood_of_strays_is_kept_in_part(told: Told, sql: Sql) -> None:
    await told(["?"] * 400, ["?"] * 100)

    assert await sql("SELECT count(*) FROM strays") == 100


async def test_no_other_job_waits_for_one_whose_provider_talks_nonsense(submit: Submit, news: Any, told: Told) -> None:
    others = [await submit("in_progress 0.3s @50%, succeeded @100%") for _ in range(5)]

    await told(["?"] * 400, ["?"] * 100)

    ended = await news.ended(*others)
    assert {job.progress for job in ended} == {Progress(4, completed=4)}


def count_of(kind: str) -> float:
    return metrics.REGISTRY.get_sample_value("polling_stray_results_total", {"kind": kind}) or 0.0
