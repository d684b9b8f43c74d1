"""The commands that end by themselves."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.running.commands import Command

Start = Callable[..., Command]


def test_settings_are_shown_with_unit_and_reason_and_secrets_are_masked(start: Start) -> None:
    shown = start(
        "settings",
        port="8123",
        upstream_api_key="sk-made-up-secret",
        database_url="postgresql://polling:made-up-password@db/polling",
    )

    assert shown.ended() == 0, shown.told()
    assert "8123" in shown.told()
    assert "Streams end spread over this time" in shown.told()
    assert "made-up" not in shown.told()


@pytest.mark.parametrize("command", ["serve", "settings", "monitor"])
def test_a_wrong_setting_is_named_without_a_traceback(start: Start, command: str) -> None:
    failed = start(command, port="http")

    assert failed.ended() == 2
    assert failed.told().startswith("POLLING_PORT: Input should be a valid integer")
    assert "Traceback" not in failed.told()


def test_a_secret_in_a_wrong_setting_is_not_shown(start: Start) -> None:
    failed = start("serve", endpoints="sk-made-up-secret")

    assert failed.ended() == 2
    assert "endpoints" in failed.told()
    assert "made-up" not in failed.told()


def test_a_monitor_of_its_own_says_that_it_needs_addresses(start: Start) -> None:
    failed = start("monitor")

    assert failed.ended() == 2
    assert "POLLING_DATABASE_URL" in failed.told()


def test_migrate_makes_the_schema_in_the_embedded_postgres(start: Start, folder: Path) -> None:
    migrated = start("migrate")

    assert migrated.ended() == 0, migrated.told()
    assert (folder / ".polling-api" / "postgres" / "data" / "PG_VERSION").exists()


def test_an_openapi_document_that_is_not_current_fails_the_check(start: Start, folder: Path) -> None:
    written = start("openapi")
    assert written.ended() == 0, written.told()
    document = folder / "openapi.json"
    document.write_text(document.read_text().replace("/health/live", "/health/alive"))

    checked = start("openapi", "--check")

    assert checked.ended() == 1
    assert "make openapi" in checked.told()


def test_an_openapi_document_that_is_current_passes_the_check(start: Start) -> None:
    assert start("openapi").ended() == 0

    assert start("openapi", "--check").ended() == 0
