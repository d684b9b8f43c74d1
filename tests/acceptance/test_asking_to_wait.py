"""Contract: Waiting, how a wait is asked for and what is granted."""

from datetime import timedelta

import httpx
import pytest

from running.jobs import Job, long_poll

AT_ONCE = timedelta(seconds=2)  # far below every wait of these tests, far above a busy machine's hiccup


@pytest.mark.parametrize("prefer", ["wait=7", "Wait=7", 'wait="7"', "respond-async, wait=7", "wait=7; x=y", "wait = 7"])
async def test_a_wait_is_asked_for_by_prefer(client: httpx.AsyncClient, ended: Job, prefer: str) -> None:
    answer = await client.get(ended["links"]["self"], headers={"Prefer": prefer})

    assert answer.headers["preference-applied"] == "wait=7"


async def test_a_wait_is_asked_for_by_query(client: httpx.AsyncClient, ended: Job) -> None:
    answer = await long_poll(client, ended, 7)

    assert answer.headers["preference-applied"] == "wait=7"


async def test_the_query_wins_over_prefer(client: httpx.AsyncClient, quiet: Job) -> None:
    answer = await client.get(quiet["links"]["self"], params={"wait": 0}, headers={"Prefer": "wait=20"})

    assert answer.headers["preference-applied"] == "wait=0"
    assert answer.elapsed < AT_ONCE


@pytest.mark.parametrize("asked", [31, 3600, 999_999_999])
async def test_a_longer_wait_is_cut_to_30_seconds(client: httpx.AsyncClient, ended: Job, asked: int) -> None:
    by_query = await client.get(ended["links"]["self"], params={"wait": asked})
    by_header = await client.get(ended["links"]["self"], headers={"Prefer": f"wait={asked}"})

    assert by_query.headers["preference-applied"] == "wait=30"
    assert by_header.headers["preference-applied"] == "wait=30"


async def test_what_was_granted_is_said_also_when_it_is_nothing(client: httpx.AsyncClient, quiet: Job) -> None:
    answer = await long_poll(client, quiet, 0)

    assert answer.headers["preference-applied"] == "wait=0"
    assert answer.status_code == 200


@pytest.mark.parametrize("prefer", ["wait", "wait=", "wait=soon", "wait=-1", "wait=1.5", "await=9", "=,;", ""])
async def test_a_bad_prefer_is_ignored(client: httpx.AsyncClient, quiet: Job, prefer: str) -> None:
    answer = await client.get(quiet["links"]["self"], headers={"Prefer": prefer})

    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers
    assert answer.headers["cache-control"] == "private, max-age=30"


@pytest.mark.parametrize("query", ["wait=soon", "wait=-1", "wait=1.5", "wait=", "wait=1&wait=2", "wait=%0a5", "wait=٣"])
async def test_a_bad_wait_is_refused_and_named(client: httpx.AsyncClient, quiet: Job, query: str) -> None:
    answer = await client.get(f"{quiet['links']['self']}?{query}")

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["?wait"]


@pytest.mark.parametrize("query", ["until=never", "until=", "until=change&until=status", "wait=5&until=Terminal"])
async def test_a_bad_until_is_refused_and_named(client: httpx.AsyncClient, quiet: Job, query: str) -> None:
    answer = await client.get(f"{quiet['links']['self']}?{query}")

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["?until"]
