"""Our client of the Batch API, against the simulator: what goes well, and what is told of what does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.providers.conftest import RunningSimulator, request_lines, submission

from polling_api.domain.job import Outcome, Status
from polling_api.domain.result import ItemResult
from polling_api.providers.openai import OpenAIBatches
from polling_api.providers.protocol import Batch, Rejected, Unanswered, UnknownBatch

BEFORE = datetime(2027, 1, 15, 7, 0, tzinfo=UTC)  # an hour before the simulator's clock begins


async def observed(provider: OpenAIBatches, batch_id: str) -> Batch:
    answer = (await provider.observe([batch_id]))[batch_id]
    assert isinstance(answer, Batch)
    return answer


async def read(provider: OpenAIBatches, batch: Batch) -> list[ItemResult]:
    """All results of a batch, of which nothing is to be unreadable."""
    told = [one async for one in provider.results(batch)]
    results = [one for one in told if isinstance(one, ItemResult)]
    assert results == told
    return results


async def test_a_job_is_submitted_watched_and_its_results_are_read(
    provider: OpenAIBatches, simulator: RunningSimulator
) -> None:
    batch = await provider.submit(submission("job_1", lines=request_lines(300)))
    assert (batch.job_id, batch.observed.status) == ("job_1", Status.SUBMITTING)

    simulator.clock.now += 6
    seen = (await observed(provider, batch.id)).observed
    assert (seen.status, seen.completed, seen.failed) == (Status.IN_PROGRESS, 150, 0)
    assert seen.expires_at == datetime(2027, 1, 16, 8, 0, tzinfo=UTC)

    simulator.clock.now += 6
    batch = await observed(provider, batch.id)
    results = await read(provider, batch)
    assert batch.observed.status is Status.SUCCEEDED
    assert {result.custom_id for result in results} == {f"r-{number}" for number in range(300)}
    assert {result.outcome for result in results} == {Outcome.COMPLETED}
    assert results[0].response
    assert results[0].response.startswith('{"status_code":200,"body":{"id":"chatcmpl-')


async def test_partial_results_tell_each_outcome(provider: OpenAIBatches, simulator: RunningSimulator) -> None:
    script = "in_progress 10s @60% fail=2, expired"
    batch = await provider.submit(submission("job_1", script=script))
    simulator.clock.now += 10

    results = await read(provider, await observed(provider, batch.id))

    outcomes = [result.outcome for result in results]
    assert [outcomes.count(outcome) for outcome in Outcome] == [4, 2, 4, 0]
    assert {result.error.code for result in results if result.error} == {"simulated_item_failure", "batch_expired"}


async def test_a_batch_that_failed_says_why(provider: OpenAIBatches, simulator: RunningSimulator) -> None:
    batch = await provider.submit(submission("job_1", lines=[*request_lines(2), b"{"]))
    simulator.clock.now += 1

    batch = await observed(provider, batch.id)

    assert batch.observed.status is Status.FAILED
    assert batch.error
    assert (batch.error.code, batch.error.message[:7]) == ("invalid_json_line", "Line 3:")
    assert await read(provider, batch) == []


async def test_a_batch_is_cancelled(provider: OpenAIBatches) -> None:
    batch = await provider.submit(submission("job_1"))

    assert (await provider.cancel(batch.id)).observed.status is Status.CANCELLING


async def test_cancelling_what_has_ended_shows_how_it_ended(
    provider: OpenAIBatches, simulator: RunningSimulator
) -> None:
    batch = await provider.submit(submission("job_1"))
    simulator.clock.now += 60

    assert (await provider.cancel(batch.id)).observed.status is Status.SUCCEEDED


async def test_cancelling_what_is_not_there_says_so(provider: OpenAIBatches) -> None:
    with pytest.raises(UnknownBatch):
        await provider.cancel("batch_missing")


async def test_a_submission_that_breaks_a_rule_is_rejected(provider: OpenAIBatches) -> None:
    with pytest.raises(Rejected) as refusal:
        await provider.submit(submission("job_1", script="nonsense"))

    assert refusal.value.error.code == "invalid_value"
    assert "metadata.simulator" in refusal.value.error.message


async def test_a_job_s_batch_is_found_by_our_id(provider: OpenAIBatches) -> None:
    batches = [await provider.submit(submission(f"job_{number}")) for number in range(3)]

    found = await provider.find("job_1", created_after=BEFORE)

    assert found
    assert found.id == batches[1].id


async def test_whoever_may_not_make_a_batch_any_more_once_its_input_is_there_makes_none(
    provider: OpenAIBatches, simulator: RunningSimulator
) -> None:
    """Its lease may have run out meanwhile, and somebody else be looking for a batch."""
    await simulator.recount()

    async def lost() -> None:
        raise LookupError("the lease")

    with pytest.raises(LookupError):
        await provider.submit(replace(submission("job_1"), make_sure=lost))

    assert await provider.find("job_1", created_after=BEFORE) is None
    assert (await simulator.calls()).keys() == {"POST /v1/files", "GET /v1/batches"}


async def test_no_batch_is_found_where_there_is_none(provider: OpenAIBatches) -> None:
    await provider.submit(submission("job_1"))

    assert await provider.find("job_2", created_after=BEFORE) is None


async def test_a_search_pages_on_and_stops_at_the_time_of_the_submission(
    provider: OpenAIBatches, simulator: RunningSimulator
) -> None:
    sought = await provider.submit(submission("job_sought"))
    for number in range(100):
        await provider.submit(submission(f"job_{number}", lines=request_lines(1)))
    await simulator.recount()

    found = await provider.find("job_sought", created_after=BEFORE)
    missing = await provider.find("job_missing", created_after=BEFORE + timedelta(hours=3))

    assert found
    assert found.id == sought.id
    assert missing is None
    assert await simulator.calls() == {"GET /v1/batches": 3}


async def test_many_batches_are_asked_after_with_one_call(provider: OpenAIBatches, simulator: RunningSimulator) -> None:
    ids = [(await provider.submit(submission(f"job_{number}"))).id for number in range(30)]
    await simulator.recount()

    answers = await provider.observe(ids)

    assert set(answers) == set(ids)
    assert all(isinstance(answer, Batch) for answer in answers.values())
    assert await simulator.calls() == {"GET /v1/batches": 1}


async def test_one_batch_is_asked_after_by_its_id(provider: OpenAIBatches, simulator: RunningSimulator) -> None:
    batch = await provider.submit(submission("job_1"))
    await simulator.recount()

    await provider.observe([batch.id])

    assert await simulator.calls() == {"GET /v1/batches/{id}": 1}


async def test_a_list_that_does_not_save_calls_is_left(provider: OpenAIBatches, simulator: RunningSimulator) -> None:
    ours = [(await provider.submit(submission(f"job_{number}"))).id for number in range(3)]
    for number in range(100):
        await provider.submit(submission(f"job_other_{number}", lines=request_lines(1)))
    await simulator.recount()

    answers = await provider.observe(ours)

    assert all(isinstance(answer, Batch) for answer in answers.values())
    assert await simulator.calls() == {"GET /v1/batches": 1, "GET /v1/batches/{id}": 3}


async def test_an_unknown_batch_spoils_no_other(provider: OpenAIBatches) -> None:
    batches = [await provider.submit(submission(f"job_{number}")) for number in range(2)]

    answers = await provider.observe([batches[0].id, "batch_missing", "../files", batches[1].id])

    assert isinstance(answers[batches[0].id], Batch)
    assert isinstance(answers[batches[1].id], Batch)
    assert isinstance(answers["batch_missing"], UnknownBatch)
    assert isinstance(answers["../files"], UnknownBatch)


async def test_nothing_is_asked_after_nothing(provider: OpenAIBatches, simulator: RunningSimulator) -> None:
    assert await provider.observe([]) == {}
    assert await simulator.calls() == {}


async def test_the_key_is_sent_as_bearer_and_never_as_nothing(simulator: RunningSimulator) -> None:
    provider = OpenAIBatches(simulator.url, api_key="sk-secret", name="openai", timeout=1, concurrency=1)

    answers = await provider.observe(["batch_missing"])
    await provider.close()

    assert isinstance(answers["batch_missing"], UnknownBatch)


async def test_a_provider_that_is_not_there_gives_no_answer() -> None:
    provider = OpenAIBatches("http://127.0.0.1:9/v1", api_key=None, name="openai", timeout=1, concurrency=4)

    answers = await provider.observe([f"batch_{number}" for number in range(200)])
    with pytest.raises(Unanswered):
        await provider.submit(submission("job_1"))
    await provider.close()

    assert len(answers) == 200
    assert all(isinstance(answer, Unanswered) for answer in answers.values())
