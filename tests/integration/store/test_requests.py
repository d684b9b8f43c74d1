"""A job's requests as the provider wants them."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job, new_job_id
from polling_api.store import jobs, requests
from polling_api.store.jobs import NewJob, NewRequest

Submit = Callable[..., Awaitable[Job]]

MIB = 1024 * 1024


async def stored(engine: AsyncEngine, *bodies: str) -> Job:
    new = NewJob(
        id=new_job_id(),
        client_id=None,
        provider="simulator",
        endpoint="/v1/embeddings",
        metadata={},
        total=len(bodies),
        expires_in=None,
        poll_after=1,
    )
    return (await jobs.create(engine, new, (NewRequest(f'"{n}"', body) for n, body in enumerate(bodies)))).job


async def test_a_line_is_in_the_batch_input_format_with_the_body_as_it_was_sent(engine: AsyncEngine) -> None:
    job = await stored(engine, '{"b":1.50,"a":"\\u0000é"}')

    lines = [line async for line in requests.lines(engine, job.id)]

    assert lines == [
        '{"custom_id":"\\"0\\"","method":"POST","url":"/v1/embeddings","body":{"b":1.50,"a":"\\u0000é"}}'.encode()
    ]


async def test_a_body_over_several_lines_becomes_one(engine: AsyncEngine) -> None:
    job = await stored(engine, '{\r\n  "a": 1\n}')

    [line] = [line async for line in requests.lines(engine, job.id)]

    assert b"\n" not in line
    assert b"\r" not in line
    assert orjson.loads(line)["body"] == {"a": 1}


async def test_all_lines_come_in_order_over_many_pages(engine: AsyncEngine, submit: Submit) -> None:
    job = await submit(total=2 * requests.PAGE_ROWS + 1)

    numbers = [orjson.loads(line)["body"]["n"] async for line in requests.lines(engine, job.id)]

    assert numbers == list(range(2 * requests.PAGE_ROWS + 1))


async def test_a_page_of_large_requests_is_bounded_in_bytes(engine: AsyncEngine, asked: Any) -> None:
    job = await stored(engine, *(f'"{"x" * MIB}"' for _ in range(10)))

    async def read_all() -> None:
        lines = [line async for line in requests.lines(engine, job.id)]
        assert len(lines) == 10

    pages_of_four_four_two_and_none = await asked(read_all())

    assert len(pages_of_four_four_two_and_none) == 4


async def test_no_connection_is_held_between_pages(engine: AsyncEngine, submit: Submit) -> None:
    job = await submit(total=2)
    lines = requests.lines(engine, job.id)

    await anext(lines)

    assert engine.pool.status().endswith("Current Checked out connections: 0")


async def test_a_job_that_is_not_there_has_no_lines(engine: AsyncEngine) -> None:
    assert [line async for line in requests.lines(engine, "job_unknown")] == []
