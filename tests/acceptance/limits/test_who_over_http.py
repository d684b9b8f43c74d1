"""Contract: whose request it is, and what figure holds for whom."""

import asyncio

import httpx
import pytest
from tests.acceptance.limits.conftest import BURST, CLIENT_HELD, CLIENT_HOUR, HOUR, MINUTE

from running.operator import operator
from running.planted import MASTER_KEY
from running.signing import Credentials
from running.visitors import ANYWHERE, ASK_EVERY, left, new_address, visitor

WHOAMI = "/api/v1/whoami"
OWN_HOUR = 1000


async def give(database_url: str, client_id: str, *figure: str) -> None:
    """Have the operator give a client a figure, while the service runs."""
    there = {"database_url": database_url, "master_keys": MASTER_KEY}
    await operator("clients", "limit", client_id, *figure, settings=there)


async def until_figure_of(client: httpx.AsyncClient, hour: int) -> httpx.Response:
    """Ask who it is until the hour's figure is as expected."""
    answer = await client.get(WHOAMI)
    for _ in range(40):
        if answer.headers["x-ratelimit-limit"] == str(hour):
            return answer
        await asyncio.sleep(3 * ASK_EVERY)
        answer = await client.get(WHOAMI)
    raise AssertionError(f"the figure stayed at {answer.headers['x-ratelimit-limit']}, not {hour}")


async def test_a_client_has_a_figure_of_its_own_from_one_moment_to_the_next(
    limited_database_url: str, signer: httpx.AsyncClient, credentials: Credentials
) -> None:
    usual = await signer.get(WHOAMI)
    await give(limited_database_url, credentials.client_id, "--hour", str(OWN_HOUR))
    own = await until_figure_of(signer, OWN_HOUR)
    await give(limited_database_url, credentials.client_id, "--usual")
    back = await until_figure_of(signer, CLIENT_HOUR)

    figures = {"hour": CLIENT_HOUR, "minute": MINUTE, "burst": BURST, "held": CLIENT_HELD}
    assert usual.json()["limits"] == back.json()["limits"] == figures
    assert own.json()["limits"] == {**figures, "hour": OWN_HOUR}
    assert left(usual) == CLIENT_HOUR - 1
    assert left(own) > CLIENT_HOUR


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"X-Forwarded-For": "2001:db8:1::1"}, {"X-Forwarded-For": "2001:db8:1::ffff:2"}),
        ({"X-Forwarded-For": "made up, 203.250.0.1"}, {"Forwarded": 'for="203.250.0.1:4711";proto=https'}),
        ({"X-Forwarded-For": "198.51.100.9, 203.250.0.2"}, {"X-Forwarded-For": "203.250.0.2, 127.0.0.1"}),
    ],
)
async def test_two_ways_to_name_one_address_count_as_one(
    here: str, first: dict[str, str], second: dict[str, str]
) -> None:
    async with httpx.AsyncClient(base_url=here, trust_env=False) as asking:
        one = await asking.get(ANYWHERE, headers=first)
        other = await asking.get(ANYWHERE, headers=second)

    assert (left(one), left(other)) == (HOUR - 1, HOUR - 2)


async def test_who_names_two_addresses_counts_as_its_proxy(here: str) -> None:
    contradictory = {"X-Forwarded-For": new_address(), "Forwarded": f"for={new_address()}"}
    async with visitor(here, "127.0.0.1") as proxy, httpx.AsyncClient(base_url=here, trust_env=False) as asking:
        before = left(await proxy.get(ANYWHERE))
        answer = await asking.get(ANYWHERE, headers=contradictory)

    assert left(answer) == before - 1
