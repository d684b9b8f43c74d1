"""What `compose.yaml` tells its containers, as far as one has to believe what another does."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from polling_api.settings import Settings
from polling_api.webhooks.places import UPSTREAM

COMPOSE = (Path(__file__).parents[2] / "compose.yaml").read_text()
SETTING = re.compile(r"^    POLLING_(?P<name>\w+): (?P<value>\S+)", re.MULTILINE)
DEFAULT = re.compile(r"\$\{\w+:-(.*?)\}")


@pytest.fixture
def settings() -> Settings:
    """Of every container alike; the image sets the host."""
    told = {one["name"].lower(): DEFAULT.sub(r"\1", one["value"]) for one in SETTING.finditer(COMPOSE)}
    return Settings.model_validate({**told, "host": "0.0.0.0"})  # noqa: S104


def test_the_simulator_sends_events_that_the_service_takes(settings: Settings) -> None:
    to = urlsplit(settings.simulator_push_url or "")

    assert settings.simulated
    assert len(settings.upstream_webhook_secret) == 1
    assert (to.hostname, to.port, to.path) == ("service", settings.port, UPSTREAM)
    assert settings.simulator_push_host in settings.hosts
