"""What an operator is told who has not named the proxy in front."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from pydantic import SecretStr

from in_process.clocks import Clock
from polling_api.app.core import Core, assemble
from polling_api.app.limiting import limiting
from polling_api.app.service import service_of
from polling_api.settings import Settings
from polling_api.store.shares import Kind
from running.planted import MASTER_KEY

PROXY = "192.0.2.7"
NOON = 1_900_000_800.0  # begins a minute
PATH = "/api/v1/nothing"


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture(params=[()])
async def core(request: pytest.FixtureRequest, postgres_url: str, redis_url: str, clock: Clock) -> AsyncIterator[Core]:
    """The service's parts, with these proxies trusted and a clock of our own."""
    settings = Settings(
        database_url=SecretStr(postgres_url),
        redis_url=SecretStr(redis_url),
        master_keys=(SecretStr(MASTER_KEY),),
        trusted_proxies=request.param,
        allowed_hosts=("*",),
    )
    core = assemble(settings)
    core = replace(core, limiting=limiting(settings, core.pools[Kind.UPKEEP], clock))
    yield core
    await core.close()


@pytest.fixture
async def proxy(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    """Asks as a proxy does in whose back many callers are."""
    transport = httpx.ASGITransport(service_of(core).asgi, client=(PROXY, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as asking:
        yield asking


async def warnings_after(proxy: httpx.AsyncClient, clock: Clock, requests: int) -> list[str]:
    """What `/health/ready` warns of after a minute with so many forwarded requests."""
    for number in range(requests):
        clock.now = NOON + number * 0.1
        await proxy.get(PATH, headers={"X-Forwarded-For": f"198.51.100.{number}"})
    clock.now = NOON + 61
    answer = await proxy.get("/health/ready")
    assert answer.status_code == 200
    return answer.json()["warnings"]


async def test_it_is_told_that_all_callers_seem_to_be_one_proxy(proxy: httpx.AsyncClient, clock: Clock) -> None:
    [warning] = await warnings_after(proxy, clock, 60)

    assert PROXY in warning
    assert "POLLING_TRUSTED_PROXIES" in warning


async def test_few_requests_say_nothing(proxy: httpx.AsyncClient, clock: Clock) -> None:
    assert await warnings_after(proxy, clock, 20) == []


@pytest.mark.parametrize("core", [(f"{PROXY}/32",)], indirect=True)
async def test_a_proxy_that_is_named_is_no_news(proxy: httpx.AsyncClient, clock: Clock) -> None:
    assert await warnings_after(proxy, clock, 60) == []
