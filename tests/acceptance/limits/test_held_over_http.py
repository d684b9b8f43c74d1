"""Contract: how much may be held at once, and how many unfinished jobs an unsigned caller may have."""

import asyncio
from contextlib import AsyncExitStack

import httpx
from tests.acceptance.limits.conftest import CLIENT_HELD, HELD, TOKEN_HELD, UNFINISHED

from running.events import open_events
from running.jobs import QUIET, SET, SIGNED_SET, Job, batch, ended_job, long_poll, quiet_job
from running.tokens import token_for
from running.visitors import code_of, left, new_address, until_code, visitor

LINES = {"Accept": "application/x-ndjson"}


async def held_by(asking: httpx.AsyncClient, path: str, stack: AsyncExitStack, times: int) -> list[int]:
    """The statuses of so many streams, which stay open."""
    return [(await stack.enter_async_context(open_events(asking, path))).response.status_code for _ in range(times)]


async def test_an_address_holds_so_many_streams_and_waits_at_once(
    there: str, somebody: httpx.AsyncClient, job: Job
) -> None:
    path = job["links"]["events"]
    async with AsyncExitStack() as stack, visitor(there, somebody.headers["x-forwarded-for"]) as elsewhere:
        held = await held_by(somebody, path, stack, HELD)
        refused = await somebody.get(path)
        waiting = await long_poll(somebody, job, 1)
        there_too = await until_code(elsewhere, f"{job['links']['self']}?wait=1", "too_many_streams")

    assert held == [200] * HELD
    assert (refused.status_code, code_of(refused)) == (429, "too_many_streams")
    assert int(refused.headers["retry-after"]) == refused.json()["retry_after"] > 0
    assert left(refused) >= 0
    assert code_of(waiting) == "too_many_streams"
    assert there_too.status_code == 429


async def test_a_download_of_all_results_is_held_as_a_stream_is_and_a_page_is_not(
    somebody: httpx.AsyncClient, job: Job
) -> None:
    results = (await ended_job(somebody))["links"]["results"]
    async with AsyncExitStack() as stack:
        await held_by(somebody, job["links"]["events"], stack, HELD)
        refused = await somebody.get(results, headers=LINES)
        page = await somebody.get(results)
    somebody.headers.update(LINES)
    taken = await until_code(somebody, results, "")

    assert (code_of(refused), page.status_code) == ("too_many_streams", 200)
    assert taken.text.endswith('{"object":"results.end","count":2}\n')


async def test_a_stream_that_ends_makes_room(here: str, job: Job) -> None:
    async with visitor(here) as asking:
        for _ in range(4):
            async with AsyncExitStack() as stack:
                assert await held_by(asking, job["links"]["events"], stack, 1) == [200]


async def test_what_a_tokens_bearer_holds_counts_for_the_token_and_for_its_client(
    here: str, signer: httpx.AsyncClient
) -> None:
    mine = (await quiet_job(signer)).json()
    tokens = [await token_for(signer, mine) for _ in range(3)]
    path = f"{SET}/{mine['id']}/events"
    async with AsyncExitStack() as stack:
        bearers = [await stack.enter_async_context(visitor(here, token=token)) for token in tokens]
        first = await held_by(bearers[0], path, stack, TOKEN_HELD)
        over = await bearers[0].get(path)
        second = await held_by(bearers[1], path, stack, CLIENT_HELD - TOKEN_HELD)
        of_client = [await bearers[2].get(path), await signer.get(f"{SIGNED_SET}/{mine['id']}/events")]

    assert [*first, *second] == [200] * CLIENT_HELD
    assert code_of(over) == "too_many_streams"
    assert [code_of(answer) for answer in of_client] == ["too_many_streams"] * 2


async def test_an_address_has_so_many_unfinished_jobs_however_many_submit_at_once(here: str, there: str) -> None:
    address, key = new_address(), {"Idempotency-Key": "the-first-of-an-address-of-a-test"}
    async with visitor(here, address) as one, visitor(there, address) as other, visitor(here) as neighbour:
        body = batch(script=QUIET)
        first = await one.post(SET, json=body, headers=key)
        rest = await asyncio.gather(*(asking.post(SET, json=body) for asking in (one, other, one, other, one)))
        replayed = await one.post(SET, json=body, headers=key)
        elsewhere = await neighbour.post(SET, json=body)
        refused = next(answer for answer in rest if answer.status_code == 429)
        await one.post(first.json()["links"]["cancel"])
        await until_code(one, f"{first.json()['links']['self']}?wait=5&until=terminal", "")
        after = await one.post(SET, json=body)

    assert first.status_code == 202
    assert sorted(answer.status_code for answer in rest) == [202] * (UNFINISHED - 1) + [429] * (6 - UNFINISHED)
    assert code_of(refused) == "too_many_jobs"
    assert int(refused.headers["retry-after"]) > 0
    assert (replayed.status_code, replayed.headers["idempotent-replayed"]) == (202, "true")
    assert (elsewhere.status_code, after.status_code) == (202, 202)
