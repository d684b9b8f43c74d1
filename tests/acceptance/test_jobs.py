"""Contract: Jobs."""

import asyncio
import json
import re
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import quantiles
from typing import Any

import httpx
import pytest

from polling_api.api.shapes import JobDocument
from running.events import open_events
from running.jobs import QUICK, SET, Job, batch, ended_job, quiet_job, read, submit

TIMES = ["created_at", "updated_at", "started_at", "finished_at", "expires_at", "results_expire_at"]
FIELDS = [
    *("object", "id", "status", "terminal", "version", "progress", "error", "metadata", "provider", "endpoint"),
    *TIMES,
    "links",
]
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
ENDS = {
    "succeeded": "in_progress 0.05s @50% fail=1, succeeded",
    "failed": "in_progress 0.05s @50%, failed",
    "expired": "in_progress 0.05s @50%, expired",
    "cancelled": "in_progress 0.05s @50%, cancelled",
}


@pytest.fixture(scope="module", params=[*ENDS])
async def ended(client: httpx.AsyncClient, request: pytest.FixtureRequest) -> Job:
    """A finished job of ten items, one for each terminal status."""
    return await ended_job(client, ENDS[request.param], items=10)


async def versions_of(client: httpx.AsyncClient, job: Job) -> Sequence[Job]:
    """Every version that a client sees who always waits for the next change."""
    seen, etag = [job], "none"
    while not seen[-1]["terminal"]:
        answer = await client.get(job["links"]["self"], params={"wait": 10}, headers={"If-None-Match": etag})
        etag = answer.headers["etag"]
        seen.append(answer.json())
    return seen


async def test_a_job_has_exactly_the_fields_of_the_contract_in_its_order(client: httpx.AsyncClient) -> None:
    answer = await quiet_job(client)

    job = answer.json()
    assert list(job) == FIELDS
    assert list(job["progress"]) == ["total", "completed", "failed", "expired", "cancelled"]
    assert list(job["links"]) == ["self", "events", "results", "cancel"]
    JobDocument.model_validate(job)


async def test_an_active_job_says_what_it_was_submitted_with(client: httpx.AsyncClient) -> None:
    answer = await quiet_job(client, items=4)

    job = answer.json()
    assert (job["object"], job["provider"], job["endpoint"]) == ("job", "simulator", "/v1/chat/completions")
    assert job["progress"] == {"total": 4, "completed": 2, "failed": 0, "expired": 0, "cancelled": 0}
    assert (job["status"], job["terminal"], job["error"]) == ("in_progress", False, None)
    assert (job["finished_at"], job["results_expire_at"]) == (None, None)


async def test_a_new_job_is_queued_in_its_first_version(client: httpx.AsyncClient) -> None:
    job = await submit(client)

    assert (job["status"], job["version"], job["terminal"]) == ("queued", 1, False)
    assert job["created_at"] == job["updated_at"]
    assert (job["started_at"], job["finished_at"], job["expires_at"]) == (None, None, None)


async def test_json_is_minified_utf_8(client: httpx.AsyncClient) -> None:
    answer = await client.post(SET, json=batch(metadata={"film": "Amélie · 天使愛美麗"}, script=QUICK))

    assert answer.headers["content-type"] == "application/json"
    assert answer.content == json.dumps(answer.json(), separators=(",", ":"), ensure_ascii=False).encode()
    assert "天使愛美麗".encode() in answer.content


async def test_times_are_rfc_3339_in_utc_with_microseconds(client: httpx.AsyncClient) -> None:
    job = await ended_job(client)

    times = [job[name] for name in TIMES]
    assert [time for time in times if not RFC_3339.fullmatch(time)] == []


async def test_times_are_in_the_order_in_which_things_happen(client: httpx.AsyncClient) -> None:
    job = await ended_job(client)

    assert job["created_at"] < job["started_at"] < job["finished_at"] < job["results_expire_at"]
    assert job["updated_at"] == job["finished_at"]


async def test_an_id_has_128_bits_that_no_other_has(client: httpx.AsyncClient) -> None:
    ids = [(await submit(client))["id"] for _ in range(5)]

    assert len(set(ids)) == 5
    assert [one for one in ids if not re.fullmatch(r"job_[0-9a-f]{32}", one)] == []


async def test_links_are_absolute_paths_of_the_set_that_was_asked(client: httpx.AsyncClient) -> None:
    job = (await quiet_job(client)).json()

    here = f"/api/v1/jobs/{job['id']}"
    assert job["links"] == {
        "self": here,
        "events": f"{here}/events",
        "results": f"{here}/results",
        "cancel": f"{here}/cancel",
    }


async def test_at_the_end_the_counts_add_up_to_the_total(ended: Job) -> None:
    progress: dict[str, int] = dict(ended["progress"])

    total = progress.pop("total")
    assert (total, sum(progress.values())) == (10, 10)


async def test_an_end_is_terminal_and_has_its_times(ended: Job) -> None:
    assert ended["terminal"] is True
    assert ended["finished_at"]
    assert ended["results_expire_at"]


async def test_only_a_failed_job_has_an_error(client: httpx.AsyncClient) -> None:
    failed = await ended_job(client, ENDS["failed"])
    expired = await ended_job(client, ENDS["expired"])

    assert failed["status"] == "failed"
    assert sorted(failed["error"]) == ["code", "message"]
    assert expired["error"] is None


async def test_single_items_may_have_failed_in_a_job_that_succeeded(client: httpx.AsyncClient) -> None:
    job = await ended_job(client, "in_progress 0.05s @50% fail=1, succeeded", items=4)

    assert job["status"] == "succeeded"
    assert job["progress"] == {"total": 4, "completed": 3, "failed": 1, "expired": 0, "cancelled": 0}


async def test_the_version_goes_up_by_one_with_every_change(client: httpx.AsyncClient) -> None:
    job = await ended_job(client, "in_progress 0.3s, finalizing 0.3s, succeeded")

    async with open_events(client, job["links"]["events"], last_event_id=0) as stream:
        history = await stream.rest()

    assert [event.version for event in history] == [*range(1, job["version"] + 1)]


async def test_a_client_never_sees_an_earlier_version_again(client: httpx.AsyncClient) -> None:
    job = await submit(client, "in_progress 0.4s @10%, in_progress 1.5s @60%, finalizing 0.3s, succeeded", items=10)

    seen = [one["version"] for one in await versions_of(client, job)]

    assert seen == sorted(seen)


async def test_updated_at_rises_with_the_version(client: httpx.AsyncClient) -> None:
    seen = await versions_of(client, await submit(client))

    times = {one["version"]: datetime.fromisoformat(one["updated_at"]) for one in seen}
    in_order = [times[version] for version in sorted(times)]
    assert in_order == sorted(set(in_order))


async def test_no_version_shows_two_states(client: httpx.AsyncClient, other_client: httpx.AsyncClient) -> None:
    job = await submit(client)

    here, there = await asyncio.gather(versions_of(client, job), versions_of(other_client, job))

    states: dict[int, list[Any]] = {}
    for one in (*here, *there):
        states.setdefault(one["version"], []).append(one)
    assert [version for version, same in states.items() if same.count(same[0]) != len(same)] == []


async def test_progress_alone_makes_at_most_one_version_a_second(client: httpx.AsyncClient) -> None:
    steps = ", ".join(f"in_progress 0.3s @{percent}%" for percent in range(10, 90, 10))
    job = await submit(client, f"{steps}, succeeded", items=100)

    seen = await versions_of(client, job)

    moved = [datetime.fromisoformat(one["updated_at"]) for one in seen if one["status"] == "in_progress"]
    apart = [(later - earlier).total_seconds() for earlier, later in pairwise(moved)]
    assert apart
    assert min(apart) >= 1


async def test_a_terminal_job_never_changes_again(client: httpx.AsyncClient, other_client: httpx.AsyncClient) -> None:
    job = await ended_job(client)

    await ended_job(client)  # the monitor has looked around since
    here, there = await read(client, job), await read(other_client, job)

    assert here.json() == there.json() == job


async def test_all_transports_agree_on_version_and_body(client: httpx.AsyncClient) -> None:
    held = await client.post(SET, json=batch(script=QUICK), headers={"Prefer": "wait=20"})
    job = held.json()

    polled = await read(client, job)
    waited = await client.get(job["links"]["self"], params={"wait": 5, "until": "terminal"})
    async with open_events(client, job["links"]["events"]) as stream:
        streamed = await stream.event()

    assert polled.content == waited.content == held.content == streamed.data.encode()
    assert polled.headers["etag"] == waited.headers["etag"] == held.headers["etag"]
    assert streamed.version == job["version"]


async def test_a_poll_on_an_open_connection_does_not_wait_for_acknowledgements(client: httpx.AsyncClient) -> None:
    job = (await quiet_job(client)).json()

    polls = [await read(client, job) for _ in range(40)]

    # With Nagle's algorithm on, an answer's body waits some 40 ms for the acknowledgement of its head: all do but the
    # first few. On a busy machine many are late for other reasons.
    assert quantiles((poll.elapsed.total_seconds() for poll in polls), n=4)[0] < 0.03
