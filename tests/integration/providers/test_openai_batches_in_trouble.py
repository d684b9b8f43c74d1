"""Our client of the Batch API when calls go wrong: what is tried again, what is not, and what is told."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from openai import AsyncOpenAI
from tests.integration.providers.conftest import RunningSimulator, submission

from polling_api.domain.advance import Observed
from polling_api.domain.job import JobError, Outcome, Status
from polling_api.domain.result import ItemResult, Stray, StrayKind
from polling_api.providers.openai import OpenAIBatches
from polling_api.providers.protocol import Batch, Rejected, Told, Unanswered

BEFORE = datetime(2027, 1, 15, 7, 0, tzinfo=UTC)  # an hour before the simulator's clock begins

FAULTS: list[Mapping[str, Any]] = [
    {"kind": "latency", "value": 1.1},  # a little longer than the provider's time out
    {"kind": "rate_limit", "value": 0},
    {"kind": "server_error"},
    {"kind": "server_error", "value": 503},
    {"kind": "drop"},
    {"kind": "drop_after"},
    {"kind": "garbage"},
    {"kind": "garbage", "value": "[1]"},
    {"kind": "garbage", "value": ""},
]
TRANSIENT = [fault for fault in FAULTS if fault.get("value") not in {1.1, "[1]"}]


@pytest.mark.parametrize("fault", TRANSIENT, ids=str)
async def test_a_question_is_asked_again(
    provider: OpenAIBatches, simulator: RunningSimulator, fault: Mapping[str, Any]
) -> None:
    batches = [await provider.submit(submission(f"job_{number}")) for number in range(3)]
    await simulator.recount()
    await simulator.order(**fault, count=2)

    answers = await provider.observe([batch.id for batch in batches])

    assert all(isinstance(answer, Batch) for answer in answers.values())
    assert await simulator.calls() == {"GET /v1/batches": 3}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_a_question_that_stays_without_answer_is_told_as_such(
    provider: OpenAIBatches, simulator: RunningSimulator, fault: Mapping[str, Any]
) -> None:
    batch = await provider.submit(submission("job_1"))
    await simulator.order(**fault, count=1000)

    answers = await provider.observe([batch.id])

    assert isinstance(answers[batch.id], Unanswered)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_a_creation_is_never_repeated_and_can_be_found_if_it_happened(
    provider: OpenAIBatches, simulator: RunningSimulator, fault: Mapping[str, Any]
) -> None:
    await simulator.order(**fault, method="POST", path="/v1/batches")

    with pytest.raises(Unanswered):
        await provider.submit(submission("job_1"))

    assert (await simulator.calls())["POST /v1/batches"] == 1
    there = await simulator.batches()
    assert (await provider.find("job_1", created_after=BEFORE) is not None) == (there == {"job_1": 1})


async def test_a_creation_whose_answer_was_lost_is_found(provider: OpenAIBatches, simulator: RunningSimulator) -> None:
    await simulator.order("drop_after", method="POST", path="/v1/batches")
    with pytest.raises(Unanswered):
        await provider.submit(submission("job_1"))

    found = await provider.find("job_1", created_after=BEFORE)

    assert found
    assert found.job_id == "job_1"


@pytest.mark.parametrize("fault", TRANSIENT, ids=str)
async def test_an_upload_is_repeated_whole(
    provider: OpenAIBatches, simulator: RunningSimulator, openai_client: AsyncOpenAI, fault: Mapping[str, Any]
) -> None:
    await simulator.order(**fault, method="POST", path="/v1/files", count=2)

    batch = await provider.submit(submission("job_1"))
    simulator.clock.now += 60
    described = await openai_client.batches.retrieve(batch.id)

    assert (await simulator.calls())["POST /v1/files"] == 3
    assert described.request_counts
    assert described.request_counts.completed == 10


@pytest.mark.parametrize("fault", TRANSIENT, ids=str)
async def test_a_cancel_is_repeated(
    provider: OpenAIBatches, simulator: RunningSimulator, fault: Mapping[str, Any]
) -> None:
    batch = await provider.submit(submission("job_1"))
    await simulator.order(**fault, method="POST", path="/v1/batches/", count=2)

    assert (await provider.cancel(batch.id)).observed.status is Status.CANCELLING


async def test_a_download_is_opened_again(provider: OpenAIBatches, simulator: RunningSimulator) -> None:
    batch = await provider.submit(submission("job_1"))
    simulator.clock.now += 60
    answer = (await provider.observe([batch.id]))[batch.id]
    assert isinstance(answer, Batch)
    await simulator.order("drop", path="/v1/files/")
    await simulator.order("server_error", path="/v1/files/")

    results = [result async for result in provider.results(answer)]

    assert len(results) == 10


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        (30, 30, 30),
        (6, 6, 6),
        pytest.param(format_datetime(datetime.now(UTC) + timedelta(minutes=50), usegmt=True), 1800, 3000, id="a date"),
    ],
)
async def test_a_long_wait_is_left_to_the_caller(
    provider: OpenAIBatches, simulator: RunningSimulator, header: object, least: float, most: float
) -> None:
    await simulator.order("rate_limit", value=header, count=1000)

    answers = await provider.observe([f"batch_{number}" for number in range(50)])

    waits = {answer.retry_after for answer in answers.values() if isinstance(answer, Unanswered)}
    assert len(answers) == 50
    assert all(wait is not None and least <= wait <= most for wait in waits)
    assert await simulator.calls() == {"GET /v1/batches": 1}


async def test_a_short_wait_is_kept_in_place(provider: OpenAIBatches, simulator: RunningSimulator) -> None:
    batch = await provider.submit(submission("job_1"))
    await simulator.order("rate_limit", value=0.3)
    began = asyncio.get_running_loop().time()

    answers = await provider.observe([batch.id])

    assert isinstance(answers[batch.id], Batch)
    assert asyncio.get_running_loop().time() - began >= 0.3


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_not_tried_again_for_a_minute(status: int) -> None:
    answer = f"HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\n{{}}".encode()

    async with answering(answer) as (url, asked):
        provider = OpenAIBatches(url, api_key="sk-old", name="openai", timeout=1, concurrency=4)
        with pytest.raises(Unanswered) as refusal:
            await provider.find("job_1", created_after=BEFORE)
        await provider.close()

    assert refusal.value.retry_after == 60
    assert len(asked) == 1


async def test_a_list_that_fails_leaves_the_batches_to_be_asked_after_singly(
    provider: OpenAIBatches, simulator: RunningSimulator
) -> None:
    batches = [await provider.submit(submission(f"job_{number}")) for number in range(3)]
    await simulator.order("server_error", path="/v1/batches", exact=True, count=3)

    answers = await provider.observe([batch.id for batch in batches])

    assert all(isinstance(answer, Batch) for answer in answers.values())


async def test_a_provider_that_has_stopped_answering_is_not_asked_a_thousand_times(
    provider: OpenAIBatches, simulator: RunningSimulator
) -> None:
    await simulator.order("server_error", count=1000)

    answers = await provider.observe([f"batch_{number}" for number in range(1000)])

    assert len(answers) == 1000
    assert (await simulator.calls())["GET /v1/batches/{id}"] <= 21  # 3 tries by 4 workers, and one more job each


async def test_a_status_that_goes_back_is_passed_on_as_it_was_told(
    provider: OpenAIBatches, simulator: RunningSimulator
) -> None:
    batches = [await provider.submit(submission(f"job_{number}")) for number in range(2)]
    simulator.clock.now += 60
    await simulator.order("regress")

    answers = await provider.observe([batch.id for batch in batches])
    again = await provider.observe([batch.id for batch in batches])

    assert [described(answer).status for answer in answers.values()] == [Status.SUBMITTING] * 2
    assert [described(answer).status for answer in again.values()] == [Status.SUCCEEDED] * 2


def described(answer: Any) -> Observed:
    assert isinstance(answer, Batch)
    return answer.observed


@asynccontextmanager
async def answering(answer: bytes) -> AsyncGenerator[tuple[str, list[bytes]]]:
    """A server that gives one answer, byte for byte, to whatever is asked, and closes the connection."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(length[1]) if length else 0)
        asked.append(head)
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", asked


ENDED = Batch("batch_1", "job_1", Observed(Status.SUCCEEDED), output_file_id="file-1")
GOOD_LINE = b'{"custom_id":"a","response":{"status_code":200,"body":{}},"error":null}'

GOOD_RESULT = ItemResult("a", Outcome.COMPLETED, '{"status_code":200,"body":{}}')


def file_content(content: bytes, *, length: int | None = None) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content) if length is None else length, content)


async def read_results(url: str) -> list[Told]:
    provider = OpenAIBatches(url, api_key=None, name="openai", timeout=1, concurrency=1)
    try:
        return [told async for told in provider.results(ENDED)]
    finally:
        await provider.close()


async def test_lines_that_cannot_be_read_are_told_in_their_place() -> None:
    unanswered = b'{"custom_id":"a","response":null,"error":null}'
    content = b"\n".join([GOOD_LINE, b"garbage", b"", b"\xff\xfe", unanswered, b"x" * (17 * 1024 * 1024), GOOD_LINE])

    async with answering(file_content(content)) as (url, _):
        told = await read_results(url)

    assert told == [
        GOOD_RESULT,
        Stray(StrayKind.UNREADABLE, "garbage"),
        Stray(StrayKind.UNREADABLE, "\ufffd\ufffd"),
        Stray(StrayKind.UNREADABLE, unanswered.decode()),
        Stray(StrayKind.OVERLONG, "x" * 4096),
        GOOD_RESULT,
    ]


async def test_a_download_that_breaks_off_is_told() -> None:
    async with answering(file_content(GOOD_LINE + b"\n", length=1000)) as (url, _):
        with pytest.raises(Unanswered):
            await read_results(url)


async def test_a_file_that_is_gone_is_told() -> None:
    async with answering(b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n") as (url, _):
        with pytest.raises(Unanswered):
            await read_results(url)


async def test_a_file_that_lies_elsewhere_is_followed_without_the_key() -> None:
    async with answering(file_content(GOOD_LINE)) as (elsewhere, asked):
        moved = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s/blob\r\n\r\n" % elsewhere.encode()
        async with answering(moved) as (url, _):
            assert await read_results(url) == [GOOD_RESULT]

    assert b"authorization" not in asked[0].lower()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /elsewhere\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nproxy",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ],
)
async def test_what_is_no_answer_of_the_api_is_told_as_none(answer: bytes) -> None:
    async with answering(answer) as (url, _):
        provider = OpenAIBatches(url, api_key=None, name="openai", timeout=1, concurrency=1)
        answers = await provider.observe(["batch_1"])
        await provider.close()

    assert isinstance(answers["batch_1"], Unanswered)


async def test_an_answer_without_end_is_broken_off() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" + b" " * (9 * 1024 * 1024)

    async with answering(endless) as (url, _):
        provider = OpenAIBatches(url, api_key=None, name="openai", timeout=5, concurrency=1)
        answers = await provider.observe(["batch_1"])
        await provider.close()

    assert isinstance(answers["batch_1"], Unanswered)
    assert "over" in str(answers["batch_1"])


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_a_definite_refusal_rejects_the_job_with_the_provider_s_words(status: int) -> None:
    body = b'{"error":{"message":"Too many tokens.","type":"invalid_request_error","param":null,"code":null}}'
    refusal = b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)

    async with answering(refusal) as (url, _):
        provider = OpenAIBatches(url, api_key=None, name="openai", timeout=1, concurrency=1)
        with pytest.raises(Rejected) as told:
            await provider.submit(submission("job_1"))
        await provider.close()

    assert told.value.error == JobError("invalid_request_error", "Too many tokens.")


@pytest.mark.parametrize("status", [302, 401, 403, 408, 409, 429, 500, 503])
async def test_a_refusal_that_may_pass_leaves_the_job_to_be_submitted_again(status: int) -> None:
    async with answering(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\n{}" % status) as (url, _):
        provider = OpenAIBatches(url, api_key=None, name="openai", timeout=1, concurrency=1)
        with pytest.raises(Unanswered):
            await provider.submit(submission("job_1"))
        await provider.close()


async def test_a_batch_that_was_not_asked_for_is_no_answer() -> None:
    body = b'{"id":"batch_2","status":"completed"}'
    async with answering(file_content(body)) as (url, _):
        provider = OpenAIBatches(url, api_key=None, name="openai", timeout=1, concurrency=1)
        answers = await provider.observe(["batch_1"])
        await provider.close()

    assert isinstance(answers["batch_1"], Unanswered)


async def test_a_garbled_entry_of_the_list_spoils_no_other() -> None:
    body = b'{"data":[{"id":"batch_1","status":"paused"},7,{"id":"batch_2","status":"completed"}],"has_more":false}'
    async with answering(file_content(body)) as (url, _):
        provider = OpenAIBatches(url, api_key=None, name="openai", timeout=1, concurrency=1)
        answers = await provider.observe(["batch_1", "batch_2"])
        await provider.close()

    assert isinstance(answers["batch_1"], Unanswered)
    assert described(answers["batch_2"]).status is Status.SUCCEEDED


async def test_a_search_of_a_list_that_cannot_be_read_finds_neither_something_nor_nothing() -> None:
    async with answering(file_content(b'{"data":[7],"has_more":false}')) as (url, _):
        provider = OpenAIBatches(url, api_key=None, name="openai", timeout=1, concurrency=1)
        with pytest.raises(Unanswered):
            await provider.find("job_1", created_after=BEFORE)
        await provider.close()


async def test_an_answer_that_trickles_in_is_given_up() -> None:
    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.1)

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        provider = OpenAIBatches(url, api_key=None, name="openai", timeout=0.5, concurrency=1)
        answers = await provider.observe(["batch_1"])
        await provider.close()

    assert isinstance(answers["batch_1"], Unanswered)


async def test_an_input_over_the_provider_s_bound_is_rejected_before_anything_is_sent(
    provider: OpenAIBatches, simulator: RunningSimulator
) -> None:
    with pytest.raises(Rejected) as told:
        await provider.submit(submission("job_1", lines=[b"x" * 1024 * 1024] * 200))

    assert told.value.error.code == "input_too_large"
    assert await simulator.calls() == {}
