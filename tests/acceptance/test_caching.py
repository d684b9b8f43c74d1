"""Contract: what may be kept for how long, what it varies with, and when asking again is worth it."""

import httpx

from running.events import open_events
from running.jobs import QUIET, SET, Job, batch, read

VARY = "Accept, Accept-Encoding, Authorization, Prefer, X-API-Version, Origin"


async def test_an_active_job_may_be_kept_for_30_seconds(active: httpx.Response) -> None:
    assert active.headers["cache-control"] == "private, max-age=30"


async def test_a_finished_job_may_be_kept_for_a_day(client: httpx.AsyncClient, ended: Job) -> None:
    answer = await read(client, ended)

    assert answer.headers["cache-control"] == "private, max-age=86400"


async def test_an_answer_to_a_request_that_asked_to_wait_is_not_stored(
    client: httpx.AsyncClient, ended: Job, quiet: Job
) -> None:
    by_query = await client.get(ended["links"]["self"], params={"wait": 1})
    by_header = await client.get(quiet["links"]["self"], headers={"If-None-Match": "*", "Prefer": "wait=1"})
    submitted = await client.post(SET, json=batch(script=QUIET), headers={"Prefer": "wait=0"})

    assert [one.headers["cache-control"] for one in (by_query, by_header, submitted)] == ["no-store"] * 3


async def test_a_refusal_is_not_stored(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{SET}/job_{'0' * 32}")

    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


async def test_every_answer_says_what_it_varies_with(client: httpx.AsyncClient, ended: Job) -> None:
    submitted = await client.post(SET, json=batch(script=QUIET))
    missing = await client.get(f"{SET}/job_{'0' * 32}")
    results = await client.get(ended["links"]["results"])
    async with open_events(client, ended["links"]["events"]) as stream:
        streamed = stream.response

    answers = [await read(client, ended), submitted, missing, results, streamed]
    assert [answer.headers["vary"] for answer in answers] == [VARY] * 5


async def test_an_unfinished_job_says_when_asking_again_is_worth_it(
    client: httpx.AsyncClient, active: httpx.Response
) -> None:
    submitted = await client.post(SET, json=batch(script=QUIET))

    intervals = [int(answer.headers["x-poll-interval"]) for answer in (active, submitted)]
    assert [interval for interval in intervals if not 1 <= interval <= 300] == []


async def test_a_finished_job_is_not_worth_asking_again(client: httpx.AsyncClient, ended: Job) -> None:
    assert "x-poll-interval" not in (await read(client, ended)).headers
