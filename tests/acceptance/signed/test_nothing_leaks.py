"""Nothing leaks: wherever a caller puts a secret, and whatever becomes of the request, it is not written down.

What the whole run has written is looked through once more when its service has ended.
"""

from pathlib import Path

import httpx
import pytest

from running.jobs import SET, Job, batch
from running.planted import leaks_in, leaks_of, plant
from running.service import Service
from running.signing import Credentials
from running.tokens import bearing, simple, token_for

BODY = "a-body-that-stays-with-its-sender"


@pytest.fixture
def logs(service: Service) -> list[Path]:
    return [child.log for child in service.children]


@pytest.mark.parametrize(
    "target",
    ["/{}", f"{SET}/{{}}", f"{SET}/{{}}/events", "/api/v1/keys/{}", f"{SET}?access_token={{}}", "/problems/{}"],
)
async def test_a_token_in_an_address_is_not_written_down(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, logs: list[Path], target: str
) -> None:
    token = await token_for(signer)

    await client.get(target.format(token))

    assert leaks_of(logs) == {}


@pytest.mark.parametrize("name", ["Authorization", "User-Agent", "Last-Event-ID", "If-None-Match", "Prefer", "Cookie"])
async def test_a_token_in_a_field_is_not_written_down(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, owned: Job, logs: list[Path], name: str
) -> None:
    token = await token_for(signer, owned)

    await client.get(simple(owned)["links"]["self"], headers={name: f"Bearer {token}"})

    assert leaks_of(logs) == {}


async def test_a_body_is_not_written_down(client: httpx.AsyncClient, logs: list[Path]) -> None:
    plant(BODY)

    answers = [
        await client.post(SET, json={**batch(1), "metadata": {"note": BODY}}),
        await client.post(SET, json={**batch(1), BODY: 1}),
        await client.post(SET, content=f'{{"requests": {BODY}'.encode(), headers={"Content-Type": "application/json"}),
    ]

    assert [answer.status_code for answer in answers] == [202, 422, 400]
    assert leaks_of(logs) == {}


async def test_a_secret_is_not_among_the_figures_nor_in_any_refusal(
    client: httpx.AsyncClient, signer: httpx.AsyncClient, owned: Job, owner: Credentials
) -> None:
    token = await token_for(signer, owned)
    forged = {"Signature-Input": f'sig1=();keyid="{owner.secret}"', "Signature": "sig1=:AA==:"}

    answers = [
        await client.get("/api/v1/whoami", headers=forged),
        await client.get(simple(owned)["links"]["self"], headers=bearing(token[:-1])),
        await client.get("/metrics"),
    ]

    assert [leaks_in(answer.text) for answer in answers] == [[], [], []]
