"""What `docs/webhooks.md` says of settings is what they are."""

import re
from pathlib import Path

import pytest

from polling_api.settings import Settings

DOCUMENT = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
SECONDS = {"s": 1, "min": 60, "h": 3600}


def test_the_schedule_is_the_one_that_is_shown() -> None:
    row = next(line for line in DOCUMENT.splitlines() if line.startswith("| at most |"))
    shown = [int(count) * SECONDS[unit] for count, unit in re.findall(r"(\d+) (s|min|h)\b", row)]

    assert shown == list(Settings().webhook_schedule)
    assert f"That is {sum(shown) / 2 / 3600:.0f} h on average" in DOCUMENT


@pytest.mark.parametrize("name", sorted(set(re.findall(r"POLLING_([A-Z_]+)\b", DOCUMENT)) - {"WEBHOOK_"}))
def test_a_setting_that_is_named_is_there(name: str) -> None:
    assert name.lower() in Settings.model_fields


def test_ports_and_time_are_those_that_are_shown() -> None:
    settings = Settings()

    assert f"`POLLING_WEBHOOK_PORTS` ({', '.join(map(str, settings.webhook_ports))})" in DOCUMENT
    assert f"`POLLING_WEBHOOK_TIMEOUT` ({settings.webhook_timeout:g} s)" in DOCUMENT
