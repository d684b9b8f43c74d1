"""Contract: submitting where the provider is a real one, which costs money."""

from collections.abc import AsyncIterator

import httpx
import pytest

from running.asking import asking
from running.jobs import QUICK, SET, batch
from running.service import running_service
from running.stored import Store


@pytest.fixture(scope="module")
def store(postgres_url: str) -> Store:
    """A database of their own, which no monitor looks at."""
    return Store(postgres_url)


@pytest.fixture(scope="module")
async def closed(
    postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """Asks a service whose provider is not the simulator; without a monitor nothing goes there."""
    folder = tmp_path_factory.mktemp("closed")
    settings = {"provider": "openai"}
    async with (
        running_service(postgres_url, redis_url, folder=folder, monitor=False, settings=settings) as running,
        asking(running.url) as client,
    ):
        yield client


async def test_an_unsigned_submit_is_403_and_stores_nothing(closed: httpx.AsyncClient, store: Store) -> None:
    before = await store.submitted()

    answer = await closed.post(SET, json=batch())

    assert (answer.status_code, answer.json()["code"]) == (403, "anonymous_submit_disabled")
    assert await store.submitted() == before


@pytest.fixture(scope="module")
async def opened(
    postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """Asks a service whose operator lets everybody spend the provider's money, on small batches."""
    folder = tmp_path_factory.mktemp("opened")
    settings = {"provider": "openai", "anonymous_submit": "true", "max_batch_bytes": "300"}
    async with (
        running_service(postgres_url, redis_url, folder=folder, monitor=False, settings=settings) as running,
        asking(running.url) as client,
    ):
        yield client


async def test_an_unsigned_submit_is_taken_where_the_operator_allows_it(opened: httpx.AsyncClient) -> None:
    answer = await opened.post(SET, json=batch())

    assert (answer.status_code, answer.json()["provider"]) == (202, "openai")


async def test_a_script_is_refused_where_the_provider_is_not_the_simulator(
    opened: httpx.AsyncClient, store: Store
) -> None:
    before = await store.submitted()

    answer = await opened.post(SET, json=batch(script=QUICK))

    assert (answer.status_code, answer.json()["code"]) == (422, "script_without_simulator")
    assert await store.submitted() == before


async def test_a_batch_in_lines_over_its_bound_is_413(opened: httpx.AsyncClient, store: Store) -> None:
    before = await store.submitted()
    line = b'{"custom_id":"%d","method":"POST","url":"/v1/chat/completions","body":{}}'
    body = b"\n".join(line % number for number in range(5))

    answer = await opened.post(SET, content=body, headers={"Content-Type": "application/x-ndjson"})

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert await store.submitted() == before
