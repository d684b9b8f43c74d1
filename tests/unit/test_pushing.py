"""What the supervisor tells its children of the simulator's events."""

import pytest

from polling_api.settings import Settings
from polling_api.supervisor.pushing import pushing
from polling_api.webhooks.standard import key_of, secret_of

SECRET = secret_of(b"made up for the tests of events!")


def test_each_run_has_a_secret_of_its_own() -> None:
    first, second = (pushing(Settings())["POLLING_UPSTREAM_WEBHOOK_SECRET"] for _ in range(2))

    assert len(key_of(first)) == 32
    assert first != second


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9000/upstream/webhook"),
        ("0.0.0.0", "http://127.0.0.1:9000/upstream/webhook"),  # noqa: S104
        ("::", "http://[::1]:9000/upstream/webhook"),
        ("::1", "http://[::1]:9000/upstream/webhook"),
    ],
)
def test_events_go_to_where_the_service_is_reached_from_here(host: str, url: str) -> None:
    assert pushing(Settings(host=host, port=9000))["POLLING_SIMULATOR_PUSH_URL"] == url


def test_events_name_a_host_that_the_service_answers_for() -> None:
    assert pushing(Settings(allowed_hosts=("polling.example",)))["POLLING_SIMULATOR_PUSH_HOST"] == "polling.example"


def test_what_is_set_is_left_as_it_is() -> None:
    settings = Settings.model_validate({"upstream_webhook_secret": SECRET, "simulator_push_url": "http://a.example/"})

    assert pushing(settings) == {}


def test_two_secrets_stand_while_one_replaces_the_other() -> None:
    settings = Settings.model_validate({"upstream_webhook_secret": f"{SECRET}, {SECRET}"})

    assert len(settings.upstream_webhook_secret) == 2
    assert SECRET not in repr(settings)


def test_a_secret_that_is_none_is_found_at_the_start() -> None:
    with pytest.raises(ValueError, match="a webhook's secret begins with whsec_"):
        Settings.model_validate({"upstream_webhook_secret": "secret"})
