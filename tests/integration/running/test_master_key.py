"""The master key: made once beside the embedded database, and asked for where the database is an outer one."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.running.commands import Command, arguments_of

from polling_api.supervisor.master_key import kept_master_key

Start = Callable[..., Command]


@pytest.mark.usefixtures("used_before")
def test_serve_makes_a_key_for_its_owner_alone_and_gives_it_to_its_workers(start: Start, folder: Path) -> None:
    serve = start("serve", "--no-monitor").until_ready()

    key = folder / ".polling-api" / "master.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert serve.child("worker").environ()["POLLING_MASTER_KEYS"] == key.read_text().strip()
    assert not any(key.read_text().strip() in " ".join(process.cmdline()) for process in serve.family())
    serve.end(signal.SIGINT)
    assert key.read_text().strip() not in serve.told()


@pytest.mark.usefixtures("used_before")
def test_keys_that_are_set_are_taken_instead(start: Start, folder: Path) -> None:
    serve = start("serve", "--no-monitor", master_keys="made-up-for-tests-alone").until_ready()

    assert serve.child("worker").environ()["POLLING_MASTER_KEYS"] == "made-up-for-tests-alone"
    assert not (folder / ".polling-api" / "master.key").exists()


@pytest.mark.usefixtures("used_before")
def test_the_embedded_servers_are_told_no_setting(start: Start) -> None:
    serve = start("serve", "--no-monitor", master_keys="made-up-for-tests-alone").until_ready()

    servers = [process for process in serve.family() if "polling_api" not in arguments_of(process)]

    assert {process.name() for process in servers} >= {"postgres", "redis-server"}
    assert [name for process in servers for name in process.environ() if name.startswith("POLLING_")] == []


def test_with_an_outer_database_and_no_key_serve_says_what_to_do(start: Start, folder: Path) -> None:
    failed = start("serve", database_url="postgresql://polling@127.0.0.1:1/polling")

    assert failed.ended() == 1
    assert "POLLING_MASTER_KEYS" in failed.told()
    assert "Traceback" not in failed.told()
    assert not (folder / ".polling-api").exists()


@pytest.mark.parametrize(
    "keys", ["too-short", '["unfinished-list-of-one-key"', "long-enough-but-the-other-is-not,x", '""']
)
def test_keys_that_are_none_are_refused_and_not_shown(start: Start, keys: str) -> None:
    failed = start("settings", master_keys=keys)

    assert failed.ended() == 2
    assert failed.told().startswith("POLLING_MASTER_KEYS")
    assert keys not in failed.told()


def test_keys_are_masked_in_the_settings(start: Start) -> None:
    shown = start("settings", master_keys="made-up-key-number-one,made-up-key-number-two")

    assert shown.ended() == 0
    assert "MASTER_KEYS" in shown.told()
    assert "made-up" not in shown.told()


def test_a_key_is_made_once(tmp_path: Path) -> None:
    first = kept_master_key(tmp_path / "data")

    assert kept_master_key(tmp_path / "data") == first
    assert len(first) > 40
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["master.key"]
