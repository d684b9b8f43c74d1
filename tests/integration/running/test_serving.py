"""`serve` and everything that it starts."""

import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.integration.running.commands import Command, arguments_of, free_port, gone, until

Start = Callable[..., Command]

# One test starts from nothing, which takes some seconds longer.
used_before = pytest.mark.usefixtures("used_before")

BATCH: dict[str, Any] = {
    "requests": [{"custom_id": "one", "body": {"model": "m", "messages": []}}],
    "metadata": {"simulator": "in_progress 0.1s, succeeded"},
}


def status_of(url: str) -> str:
    return httpx.get(url, trust_env=False).json()["status"]


def test_serve_starts_all_that_a_job_needs(start: Start) -> None:
    serve = start("serve", monitor_interval="0.2").until_ready()

    alive = httpx.get(f"{serve.url}/health/live", trust_env=False)
    submitted = httpx.post(f"{serve.url}/api/v1/jobs", json=BATCH, trust_env=False)

    assert alive.status_code == 200
    assert submitted.status_code == 202, submitted.text
    assert until(lambda: status_of(serve.url + submitted.headers["Location"]) == "succeeded", 20)


@used_before
def test_an_end_is_known_at_once_though_the_monitor_looks_once_in_ten_minutes(start: Start) -> None:
    serve = start("serve", monitor_interval="600", host="0.0.0.0").until_ready()  # noqa: S104 - reached by loopback

    submitted = httpx.post(f"{serve.url}/api/v1/jobs", json=BATCH, trust_env=False)
    waiting = {"wait": 30, "until": "terminal"}
    shown = httpx.get(serve.url + submitted.headers["Location"], params=waiting, timeout=40, trust_env=False)

    assert shown.json()["status"] == "succeeded", serve.told()


@used_before
def test_every_worker_takes_connections_from_the_one_socket(start: Start) -> None:
    serve = start("serve", "--workers", "2", "--no-monitor").until_ready()

    arguments = [arguments_of(process) for process in serve.family()]

    assert sum("worker" in words for words in arguments) == 2
    assert not any("monitor" in words for words in arguments)


@used_before
def test_ctrl_c_ends_every_process_within_5_seconds(start: Start) -> None:
    serve = start("serve").until_ready()
    family = serve.family()
    begun = time.monotonic()

    status = serve.end(signal.SIGINT)

    assert gone(family, 5 - (time.monotonic() - begun))
    assert status == -signal.SIGINT


def test_ctrl_c_ends_a_start_that_is_under_way(start: Start, folder: Path) -> None:
    serve = start("serve")
    assert until((folder / ".polling-api" / "postgres" / "lock").exists, 30)
    family = serve.family()

    status = serve.end(signal.SIGINT)

    assert status == -signal.SIGINT, serve.told()
    assert gone(family, 5)
    assert "Traceback" not in serve.told()


@used_before
def test_sigterm_ends_every_process_after_the_drain(start: Start) -> None:
    serve = start("serve", drain_seconds="1").until_ready()
    family = serve.family()

    status = serve.end(signal.SIGTERM)

    assert gone(family, 1)
    assert status == -signal.SIGTERM
    assert "killed" not in serve.told()


@used_before
def test_a_killed_parent_leaves_no_process_behind(start: Start) -> None:
    serve = start("serve", drain_seconds="1").until_ready()
    family = serve.family()

    serve.end(signal.SIGKILL)

    assert gone(family, 15)


@used_before
def test_jobs_are_found_again_at_the_next_start(start: Start) -> None:
    first = start("serve").until_ready()
    location = httpx.post(f"{first.url}/api/v1/jobs", json=BATCH, trust_env=False).headers["Location"]
    first.end(signal.SIGINT)

    second = start("serve").until_ready()

    assert httpx.get(second.url + location, trust_env=False).status_code == 200


@used_before
def test_jobs_are_found_again_after_everything_was_killed(start: Start) -> None:
    first = start("serve").until_ready()
    location = httpx.post(f"{first.url}/api/v1/jobs", json=BATCH, trust_env=False).headers["Location"]
    for process in first.family():
        process.kill()
    first.ended()

    second = start("serve").until_ready()

    assert httpx.get(second.url + location, trust_env=False).status_code == 200


@used_before
def test_a_second_run_in_the_same_folder_is_refused(start: Start) -> None:
    start("serve").until_ready()

    second = start("serve")

    assert second.ended() == 1
    assert "already runs on the data folder" in second.told()
    assert "POLLING_DATA_DIR" in second.told()
    assert "Traceback" not in second.told()


@pytest.mark.parametrize("setting", ["port", "simulator_port"])
def test_a_taken_port_is_told_with_the_setting_to_change(start: Start, setting: str) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", int(port))):
        serve = start("serve", **{setting: port})

        assert serve.ended() == 1

    assert f"Port {port} on 127.0.0.1 is taken" in serve.told()
    assert f"POLLING_{setting.upper()}" in serve.told()
    assert "Traceback" not in serve.told()


@used_before
def test_children_that_die_are_replaced(start: Start) -> None:
    serve = start("serve").until_ready()
    died = [serve.child(role) for role in ("worker", "monitor", "simulator")]

    for process in died:
        process.kill()
    assert gone(died, 5)

    assert until(lambda: roles_of(serve) >= {"worker", "monitor", "simulator"}, 30), serve.told()
    serve.until_ready()


@used_before
def test_embedded_servers_that_die_are_started_again_at_their_addresses(start: Start) -> None:
    serve = start("serve").until_ready()
    died = servers_of(serve)
    assert len(died) == 2

    for process in died:
        process.kill()
    assert gone(died, 5)

    assert until(lambda: len(servers_of(serve)) == 2, 30), serve.told()
    assert until(lambda: parts_of(serve.url) == {"ok"}, 30), serve.told()


@used_before
def test_secrets_are_in_no_process_s_arguments(start: Start) -> None:
    serve = start("serve", upstream_api_key="sk-made-up-secret", provider="simulator").until_ready()

    arguments = [" ".join(arguments_of(process)) for process in serve.family()]

    assert len(arguments) > 5
    assert not [line for line in arguments if "sk-made-up-secret" in line]


def roles_of(serve: Command) -> set[str]:
    return {word for process in serve.family() for word in arguments_of(process)}


def servers_of(serve: Command) -> list[psutil.Process]:
    keepers = [process for process in serve.family() if any("keeper.py" in word for word in arguments_of(process))]
    return [server for keeper in keepers for server in keeper.children()]


def parts_of(url: str) -> set[str]:
    answer = httpx.get(f"{url}/health/ready", trust_env=False).json()
    return {part["status"] for part in answer["parts"].values()}


def test_connections_that_do_not_fit_are_told_with_their_figures_and_the_setting_to_lower(start: Start) -> None:
    serve = start("serve", "--workers", "2", pool_size="100", pool_overflow="200")

    status = serve.ended()

    told = serve.told()
    assert status == 1
    assert "may open 299 connections" in told
    assert "Lower POLLING_POOL_OVERFLOW to 97" in told


def test_connections_that_do_not_go_round_are_told_with_the_setting_to_raise(start: Start) -> None:
    serve = start("serve", "--workers", "16")

    assert serve.ended() == 1
    assert "set POLLING_POOL_OVERFLOW=87" in serve.told()
