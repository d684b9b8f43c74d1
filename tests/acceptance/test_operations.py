"""Contract: what operators and load balancers ask."""

import asyncio

import httpx
import pytest

from running.events import open_events
from running.figures import figure, samples, until_figure
from running.jobs import QUICK, SET, batch, ended_job, quiet_job, read, submit, until_terminal

FAMILIES = [
    "polling_request_seconds_bucket",
    "polling_snapshot_reads_total",
    "polling_snapshots",
    "polling_snapshot_age_seconds_bucket",
    "polling_cache_reads_total",
    "polling_cache_lookups_total",
    "polling_cache_writes_total",
    "polling_cache_seconds_bucket",
    "polling_absences",
    "polling_warm_up_seconds_bucket",
    "polling_held",
    "polling_commit_to_socket_seconds_bucket",
    "polling_sweep_seconds_bucket",
    "polling_comparison_seconds_bucket",
]
ONE = f"{SET}/{{job_id}}"


async def test_a_live_process_says_so(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "live"})
    assert answer.headers["cache-control"] == "no-store"


async def test_a_ready_process_says_how_each_part_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/ready")

    health = answer.json()
    assert (answer.status_code, health["status"]) == (200, "ready")
    assert health["parts"].keys() >= {"postgres", "redis"}
    assert {part["status"] for part in health["parts"].values()} == {"ok"}


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
async def test_operators_may_ask_with_head(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.head(path)

    assert (answer.status_code, answer.content) == (200, b"")


async def test_the_metrics_have_every_family(client: httpx.AsyncClient) -> None:
    await ended_job(client)

    async with asyncio.timeout(20):  # some are first counted by a comparison, of which there is one every three seconds
        while missing := set(FAMILIES) - {sample.name for sample in await samples(client)}:
            print("not yet:", *sorted(missing))  # noqa: T201 - for whoever finds the timeout
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    ("accepted", "content_type"),
    [
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
        ("text/plain", "text/plain"),
        ("*/*", "text/plain"),
    ],
)
async def test_metrics_come_in_the_format_that_is_asked_for(
    client: httpx.AsyncClient, accepted: str, content_type: str
) -> None:
    answer = await client.get("/metrics", headers={"Accept": accepted})

    assert answer.headers["content-type"].partition(";")[0] == content_type


async def test_requests_are_counted_by_route_transport_and_outcome(client: httpx.AsyncClient) -> None:
    job = await quiet_job(client)
    counted = {"name": "polling_request_seconds_count", "route": ONE}
    before = [
        await figure(client, **counted, transport="poll", outcome="200"),
        await figure(client, **counted, transport="poll", outcome="304"),
        await figure(client, **counted, transport="wait", outcome="304"),
        await figure(client, **counted, transport="poll", outcome="404"),
    ]

    seen = {"If-None-Match": job.headers["etag"]}
    await read(client, job.json())
    await client.get(job.json()["links"]["self"], headers=seen)
    await client.get(job.json()["links"]["self"], headers=seen, params={"wait": 1})
    await client.get(f"{SET}/job_{'0' * 32}")

    after = [
        await figure(client, **counted, transport="poll", outcome="200"),
        await figure(client, **counted, transport="poll", outcome="304"),
        await figure(client, **counted, transport="wait", outcome="304"),
        await figure(client, **counted, transport="poll", outcome="404"),
    ]
    assert after == [count + 1 for count in before]


async def test_streams_and_submits_are_counted_too(client: httpx.AsyncClient) -> None:
    counted = "polling_request_seconds_count"
    submits = await figure(client, counted, route=SET, outcome="202")
    streams = await figure(client, counted, route=f"{ONE}/events", transport="stream", outcome="200")

    job = await submit(client)
    async with open_events(client, job["links"]["events"]) as stream:
        await stream.rest()

    assert await figure(client, counted, route=SET, outcome="202") == submits + 1
    assert await figure(client, counted, route=f"{ONE}/events", transport="stream", outcome="200") == streams + 1


async def test_no_path_of_a_caller_becomes_a_label(client: httpx.AsyncClient) -> None:
    await client.get("/nowhere-at-all")
    await client.get(f"{SET}/job_1/nowhere-at-all")

    routes = {sample.labels.get("route", "") for sample in await samples(client)}
    assert [route for route in routes if "nowhere" in route or "job_1" in route] == []


async def test_reads_are_counted_by_where_the_snapshot_was_found(client: httpx.AsyncClient) -> None:
    job = await submit(client)
    await until_terminal(client, job)
    live = await figure(client, "polling_snapshot_reads_total", source="live")
    primary = await figure(client, "polling_snapshot_reads_total", source="primary")

    await read(client, job)
    await client.get(f"{SET}/job_{'1' * 32}")

    assert await figure(client, "polling_snapshot_reads_total", source="live") == live + 1
    assert await figure(client, "polling_snapshot_reads_total", source="primary") == primary + 1


async def test_what_is_held_is_counted_by_transport(client: httpx.AsyncClient) -> None:
    job = (await quiet_job(client)).json()
    await until_figure(client, 0, "polling_held", transport="stream")

    async with open_events(client, job["links"]["events"]) as one, open_events(client, job["links"]["events"]) as two:
        await one.event()
        await two.event()
        held = await figure(client, "polling_held", transport="stream")

    assert held == 2
    await until_figure(client, 0, "polling_held", transport="stream")


@pytest.mark.parametrize("transport", ["wait", "stream"])
async def test_the_time_from_commit_to_socket_is_measured(client: httpx.AsyncClient, transport: str) -> None:
    counted = "polling_commit_to_socket_seconds_count"
    before = await figure(client, counted, transport=transport)

    job = await submit(client, "in_progress 0.5s @50%, succeeded")
    async with open_events(client, job["links"]["events"]) as stream:
        await until_terminal(client, job)
        await stream.rest()

    assert await figure(client, counted, transport=transport) > before


async def test_the_monitors_sweeps_are_measured(client: httpx.AsyncClient) -> None:
    before = await figure(client, "polling_sweep_seconds_count")

    await client.post(SET, json=batch(script=QUICK), headers={"Prefer": "wait=20"})

    assert await figure(client, "polling_sweep_seconds_count") > before
