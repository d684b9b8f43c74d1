from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack

import pytest

from polling_api.api.submission import Draft, Rules, read_json, read_lines


@pytest.fixture
def rules() -> Rules:
    return Rules(
        endpoints=("/v1/chat/completions", "/v1/embeddings"),
        max_json_bytes=100_000,
        max_batch_bytes=200_000,
        max_line_bytes=50_000,
        max_requests=100,
        simulated=True,
        webhook_refused={"refused": "It is not sent to."}.get,
    )


@pytest.fixture
def drafts() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def submit_json(rules: Rules, drafts: ExitStack) -> Callable[[bytes], Awaitable[Draft]]:
    async def submit(body: bytes) -> Draft:
        return drafts.enter_context(await read_json(_chunks(body), rules))

    return submit


@pytest.fixture
def submit_lines(rules: Rules, drafts: ExitStack) -> Callable[[bytes], Awaitable[Draft]]:
    async def submit(body: bytes) -> Draft:
        return drafts.enter_context(await read_lines(_chunks(body), rules))

    return submit


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]
