"""The demo's followers are examples of good clients: whoever is refused waits as long as it is told to."""

import asyncio

import httpx
import pytest

from polling_api.demo.followers import Follower, LongPoller, Poller, Streamer


@pytest.mark.parametrize("kind", [Poller, LongPoller, Streamer])
@pytest.mark.parametrize(("status", "told"), [(429, {"retry-after": "60"}), (503, {"retry-after": "60"}), (500, {})])
async def test_who_is_refused_asks_no_more_for_as_long_as_it_is_told(
    kind: type[Follower], status: int, told: dict[str, str]
) -> None:
    asked: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        assert len(asked) == 1  # or it would go on without ever letting anybody else run
        return httpx.Response(status, headers=told)

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse), base_url="http://test") as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await kind(client, "/api/v1/jobs/job_1").follow()
