"""Contract: limits outlive Redis, and nobody waits for it."""

import httpx
from tests.acceptance.limits.conftest import HOUR, WRONGS

from polling_api.domain.job import new_job_id
from polling_api.embedded import Server
from running.freezing import frozen
from running.jobs import SET, Job, read
from running.visitors import ANYWHERE, code_of, until_code, visitor

READY = "/health/ready"


async def test_limits_and_blocks_hold_while_redis_is_frozen_and_are_shared_afterwards(
    here: str, there: str, limited_redis: Server, job: Job
) -> None:
    async with visitor(here) as greedy, visitor(here) as guesser, visitor(here) as polite:
        with frozen(limited_redis):
            asked = [(await greedy.get(ANYWHERE)).status_code for _ in range(HOUR + 1)]
            guesses = [code_of(await guesser.get(f"{SET}/{new_job_id()}")) for _ in range(WRONGS + 1)]
            poll = await read(polite, job)
            health = await until_status_of_limits(polite, "down")
        async with visitor(there, greedy.headers["x-forwarded-for"]) as elsewhere:
            shared = await until_code(elsewhere, ANYWHERE, "rate_limited")

    assert asked == [404] * HOUR + [429]
    assert guesses == ["job_not_found"] * WRONGS + ["blocked"]
    assert poll.status_code == 200
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert shared.status_code == 429


async def until_status_of_limits(client: httpx.AsyncClient, expected: str) -> httpx.Response:
    """Ask whether it is ready, until it says so of limits; each answer takes as long as Redis is given."""
    answer = await client.get(READY)
    for _ in range(10):
        if answer.json()["parts"]["limits"]["status"] == expected:
            return answer
        answer = await client.get(READY)
    raise AssertionError(answer.text)
