"""Clients who do as they like with the live service, at random; each answer is held against the contract's model.

Two nodes over one database, a monitor, a simulated provider, all in processes of their own.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Final

import httpx
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from fuzz.asking import Nodes
from fuzz.clients import Clients
from running.service import Service

SECONDS: Final = float(os.environ.get("FUZZ_SECONDS", "20"))
FIRST: Final = 1_000_000 * int(os.environ.get("FUZZ_SEED", "1"))
TO_END: Final = 60.0  # seconds beyond, for the round that is under way

# One round has one seed, so that a broken rule can be found again: by the round's number, as far as the service's own
# timing allows. Nothing is shrunk: the same calls at other times are other calls.
ROUND: Final = settings(
    max_examples=5,  # the first of a round is the plainest there is
    stateful_step_count=40,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large),
)


@pytest.fixture
async def nodes(service: Service) -> AsyncIterator[Nodes]:
    async with AsyncExitStack() as stack:
        limits = httpx.Limits(max_connections=None)
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False, limits=limits))
            for url in service.worker_urls
        ]
        yield Nodes(clients, asyncio.get_running_loop())


@pytest.mark.timeout(SECONDS + 2 * TO_END)
async def test_no_client_is_ever_shown_what_the_contract_forbids(nodes: Nodes) -> None:
    def play_a_round(number: int) -> None:
        machine = seed(number)(type("Clients", (Clients,), {"service": nodes}))
        run_state_machine_as_test(machine, settings=ROUND)

    deadline = time.monotonic() + SECONDS
    rounds = count(FIRST)
    while time.monotonic() < deadline:
        await asyncio.to_thread(play_a_round, next(rounds))
