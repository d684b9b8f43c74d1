"""The simulator, driven by the `openai` package as it is."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import Batch
from tests.integration.providers.conftest import RunningSimulator, Theatre, request_lines

ENDPOINT = "/v1/chat/completions"


async def create(client: AsyncOpenAI, content: bytes, **metadata: str) -> Batch:
    file = await client.files.create(file=("in.jsonl", content), purpose="batch")
    return await client.batches.create(
        input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h", metadata=metadata
    )


async def content_of(client: AsyncOpenAI, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id
    text = await client.files.content(file_id)
    return [json.loads(line) for line in text.text.splitlines()]


async def test_a_batch_goes_from_upload_to_answers(openai_client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    batch = await create(openai_client, b"\n".join(request_lines(100)), color="red")
    assert (batch.status, batch.metadata) == ("validating", {"color": "red"})

    simulator.clock.now += 6
    batch = await openai_client.batches.retrieve(batch.id)
    assert (batch.status, batch.in_progress_at) == ("in_progress", 1_800_000_001)
    assert batch.request_counts
    assert batch.request_counts.to_dict() == {"total": 100, "completed": 50, "failed": 0}

    simulator.clock.now += 6
    batch = await openai_client.batches.retrieve(batch.id)
    assert (batch.status, batch.completed_at, batch.error_file_id) == ("completed", 1_800_000_012, None)
    answers = await content_of(openai_client, batch.output_file_id)
    assert {answer["custom_id"] for answer in answers} == {f"r-{number}" for number in range(100)}
    assert {answer["response"]["status_code"] for answer in answers} == {200}
    assert answers[0]["response"]["body"]["choices"][0]["message"]["role"] == "assistant"


async def test_the_films_are_answered_with_genres(openai_client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    films = Path(__file__).parents[3].joinpath("examples", "films-batch.jsonl").read_bytes()
    batch = await create(openai_client, films)

    simulator.clock.now += 60
    batch = await openai_client.batches.retrieve(batch.id)
    answers = await content_of(openai_client, batch.output_file_id)

    assert len(answers) == 1000
    assert all(answer["response"]["body"]["choices"][0]["message"]["content"].isalpha() for answer in answers)


async def test_a_script_sets_the_course(openai_client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    script = "queued 1s, in_progress 10s @50% fail=5, expired"
    batch = await create(openai_client, b"\n".join(request_lines(20)), simulator=script)

    simulator.clock.now += 11
    batch = await openai_client.batches.retrieve(batch.id)

    assert (batch.status, batch.expired_at, batch.expires_at) == ("expired", 1_800_000_011, 1_800_000_011)
    assert len(await content_of(openai_client, batch.output_file_id)) == 5
    others = await content_of(openai_client, batch.error_file_id)
    assert sum(1 for line in others if line["error"] and line["error"]["code"] == "batch_expired") == 10
    assert sum(1 for line in others if line["response"] and line["response"]["status_code"] == 400) == 5


async def test_a_cancel_keeps_what_is_done(openai_client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    batch = await create(openai_client, b"\n".join(request_lines(20)))
    simulator.clock.now += 6

    batch = await openai_client.batches.cancel(batch.id)
    assert (batch.status, batch.output_file_id) == ("cancelling", None)
    simulator.clock.now += 2
    batch = await openai_client.batches.retrieve(batch.id)

    assert (batch.status, batch.cancelling_at, batch.cancelled_at) == ("cancelled", 1_800_000_006, 1_800_000_008)
    assert len(await content_of(openai_client, batch.output_file_id)) == 10
    others = await content_of(openai_client, batch.error_file_id)
    assert {line["error"]["code"] for line in others} == {"batch_cancelled"}
    with pytest.raises(openai.ConflictError):
        await openai_client.batches.cancel(batch.id)


async def test_batches_are_listed_newest_first_page_by_page(openai_client: AsyncOpenAI) -> None:
    created = [(await create(openai_client, request_lines(1)[0])).id for _ in range(5)]

    page = await openai_client.batches.list(limit=2)
    listed = [batch.id async for batch in page]

    assert ([batch.id for batch in page.data], page.has_more) == (created[:2:-1], True)
    assert listed == created[::-1]


async def test_files_are_kept_listed_and_deleted(openai_client: AsyncOpenAI) -> None:
    first = await openai_client.files.create(file=("a.jsonl", b"one\n"), purpose="batch")
    second = await openai_client.files.create(file=("b.jsonl", b"two\n"), purpose="user_data")

    assert (await openai_client.files.retrieve(first.id)).bytes == 4
    assert [file.id async for file in await openai_client.files.list(limit=1)] == [second.id, first.id]
    assert [file.id async for file in await openai_client.files.list(purpose="batch")] == [first.id]
    assert (await openai_client.files.content(second.id)).content == b"two\n"

    assert (await openai_client.files.delete(first.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await openai_client.files.retrieve(first.id)
    assert [file.id async for file in await openai_client.files.list()] == [second.id]


async def test_output_files_are_files_too(openai_client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    batch = await create(openai_client, b"\n".join(request_lines(30)))
    simulator.clock.now += 60
    batch = await openai_client.batches.retrieve(batch.id)
    assert batch.output_file_id

    file = await openai_client.files.retrieve(batch.output_file_id)
    content = (await openai_client.files.content(file.id)).content
    assert (file.purpose, file.bytes) == ("batch_output", len(content))
    assert [file.id async for file in await openai_client.files.list(purpose="batch_output")] == [file.id]

    await openai_client.files.delete(batch.input_file_id)
    assert (await openai_client.files.content(file.id)).content == content
    await openai_client.files.delete(file.id)
    with pytest.raises(openai.NotFoundError):
        await openai_client.files.content(file.id)


async def test_a_faulty_input_fails_the_batch_naming_the_line(
    openai_client: AsyncOpenAI, simulator: RunningSimulator
) -> None:
    lines = [*request_lines(36), b"no json", *request_lines(1)]
    batch = await create(openai_client, b"\n".join(lines))
    assert (batch.status, batch.errors) == ("validating", None)

    simulator.clock.now += 1
    batch = await openai_client.batches.retrieve(batch.id)

    assert (batch.status, batch.failed_at, batch.output_file_id) == ("failed", 1_800_000_001, None)
    assert batch.errors
    assert [(error.code, error.line) for error in batch.errors.data or []] == [
        ("invalid_json_line", 37),
        ("duplicate_custom_id", 38),
    ]


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"input_file_id": "file-missing"}, "input_file_id"),
        ({"endpoint": "/v1/chat"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a"),
        ({"metadata": {f"k{number}": "x" for number in range(17)}}, "metadata"),
        ({"metadata": {"simulator": "completed"}}, "metadata.simulator"),
    ],
)
async def test_a_batch_that_breaks_a_rule_is_refused(
    openai_client: AsyncOpenAI, changed: dict[str, Any], param: str
) -> None:
    file = await openai_client.files.create(file=request_lines(1)[0], purpose="batch")
    given: dict[str, Any] = {"input_file_id": file.id, "endpoint": ENDPOINT, "completion_window": "24h"}

    with pytest.raises(openai.BadRequestError) as refusal:
        await openai_client.batches.create(**(given | changed))

    assert (refusal.value.param, refusal.value.type) == (param, "invalid_request_error")


async def test_what_is_not_there_is_not_found(openai_client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await openai_client.batches.retrieve("batch_missing")
    with pytest.raises(openai.NotFoundError):
        await openai_client.files.content("file-missing")
    with pytest.raises(openai.NotFoundError):
        await openai_client.models.list()


async def test_a_call_without_a_key_is_refused(simulator: RunningSimulator) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{simulator.url}/batches")

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


async def test_a_body_that_is_no_json_is_refused(simulator: RunningSimulator) -> None:
    async with httpx.AsyncClient(headers={"Authorization": "Bearer any"}) as client:
        garbled = await client.post(f"{simulator.url}/batches", content=b"{")
        endless = await client.post(f"{simulator.url}/batches", content=b"1" * 100_000)

    assert (garbled.status_code, endless.status_code) == (400, 413)


async def test_the_simulator_finds_its_batches_again(
    theatre: Theatre, tmp_path: Path, simulator: RunningSimulator, openai_client: AsyncOpenAI
) -> None:
    content = b"\n".join(request_lines(3))
    batches = [await create(openai_client, content, number=str(number)) for number in range(3)]
    simulator.clock.now += 6
    await openai_client.batches.cancel(batches[0].id)

    again = theatre.play(tmp_path / "simulator")
    again.clock.now += 20
    found = [batch async for batch in await openai_client.batches.list()]
    answers = await content_of(openai_client, found[0].output_file_id)

    assert [batch.id for batch in found] == [batch.id for batch in reversed(batches)]
    assert [batch.status for batch in found] == ["completed", "completed", "cancelled"]
    assert len(answers) == 3


async def test_what_is_a_month_old_is_dropped(openai_client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    old = await create(openai_client, request_lines(1)[0])
    simulator.clock.now += 31 * 24 * 3600

    new = await create(openai_client, request_lines(1)[0])

    assert [batch.id async for batch in await openai_client.batches.list()] == [new.id]
    with pytest.raises(openai.NotFoundError):
        await openai_client.files.retrieve(old.input_file_id)


async def test_the_synchronous_client_works_too(simulator: RunningSimulator) -> None:
    def run() -> str | None:
        with OpenAI(base_url=simulator.url, api_key="any") as client:
            file = client.files.create(file=b"\n".join(request_lines(5)), purpose="batch")
            batch = client.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h")
            return client.batches.retrieve(batch.id).status

    assert await asyncio.to_thread(run) == "validating"
