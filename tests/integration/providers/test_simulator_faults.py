"""Faults are ordered, counted down and forgotten; calls are counted."""

import httpx
import pytest
from openai import AsyncOpenAI, InternalServerError, RateLimitError
from tests.integration.providers.conftest import RunningSimulator


async def test_a_fault_strikes_as_often_as_was_ordered(openai_client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    await simulator.order("server_error", method="GET", path="/v1/batches", count=2, value=503)

    for _ in range(2):
        with pytest.raises(InternalServerError):
            await openai_client.batches.list()
    await openai_client.batches.list()

    assert await simulator.faults() == []
    assert await simulator.calls() == {"GET /v1/batches": 3}


async def test_a_fault_strikes_only_the_calls_that_were_meant(
    openai_client: AsyncOpenAI, simulator: RunningSimulator
) -> None:
    await simulator.order("rate_limit", method="POST")
    await simulator.order("rate_limit", path="/v1/batches/")
    await simulator.order("rate_limit", path="/v1/batch", exact=True)

    await openai_client.batches.list()

    assert len(await simulator.faults()) == 3


async def test_a_rate_limit_says_when_to_come_again(openai_client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    await simulator.order("rate_limit", value=7)

    with pytest.raises(RateLimitError) as refusal:
        await openai_client.batches.list()

    assert refusal.value.response.headers["Retry-After"] == "7"


async def test_faults_can_be_forgotten(openai_client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    await simulator.order("drop", count=1000)

    await simulator.forget_faults()

    await openai_client.batches.list()


async def test_a_dropped_connection_gives_no_answer(simulator: RunningSimulator) -> None:
    await simulator.order("drop")

    async with httpx.AsyncClient(headers={"Authorization": "Bearer any"}) as client:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await client.post(f"{simulator.url}/batches", json={})


@pytest.mark.parametrize(
    "order",
    [
        {"kind": "earthquake"},
        {"kind": "drop", "count": 0},
        {"kind": "drop", "count": 1001},
        {"kind": "drop", "unknown": 1},
        {"kind": "latency", "value": -1},
    ],
)
async def test_a_bad_order_is_refused(simulator: RunningSimulator, order: dict[str, object]) -> None:
    answer = await simulator.order(**order)  # pyright: ignore[reportArgumentType]

    assert answer.status_code == 400
    assert await simulator.faults() == []
