import pytest

from polling_api.monitor.decision import Patience
from polling_api.settings import Settings


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_its_unit_and_its_reason(name: str) -> None:
    setting = Settings.model_json_schema()["properties"][name]

    assert "unit" in setting
    assert setting["description"]


def test_the_provider_is_the_simulator_unless_an_upstream_is_set() -> None:
    assert Settings().simulated
    assert not Settings(upstream_url="https://provider.example/v1").simulated
    assert Settings(provider="simulator", upstream_url="http://127.0.0.1:9/v1").simulated


def test_a_secret_is_not_in_what_the_settings_look_like() -> None:
    assert "made-up" not in repr(Settings.model_validate({"upstream_api_key": "made-up"}))


@pytest.mark.parametrize(
    "written",
    ["first-master-key-of-two, second-master-key-of-two", '["first-master-key-of-two","second-master-key-of-two"]'],
)
def test_master_keys_are_listed_with_commas_or_as_json(written: str) -> None:
    settings = Settings.model_validate({"master_keys": written})

    assert [key.get_secret_value() for key in settings.master_keys] == [
        "first-master-key-of-two",
        "second-master-key-of-two",
    ]
    assert "master-key" not in repr(settings)


def test_replicas_are_listed_and_their_addresses_are_secrets() -> None:
    settings = Settings.model_validate({"replica_urls": "postgresql://a:made-up@one/x, postgresql://b@two/x"})

    assert [url.get_secret_value() for url in settings.replica_urls] == [
        "postgresql://a:made-up@one/x",
        "postgresql://b@two/x",
    ]
    assert "made-up" not in repr(settings)


DAY = 86_400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_wait", 30),
        ("keepalive_every", 15),
        ("idempotency_keep", DAY),
        ("results_keep", 30 * DAY),
        ("jobs_keep", 90 * DAY),
        ("max_requests", 50_000),
        ("max_json_bytes", 4 * 1024 * 1024),
        ("anonymous_batch_bytes", 4 * 1024 * 1024),
        ("max_line_bytes", 1024 * 1024),
        ("max_batch_bytes", 200 * 1024 * 1024),
        ("monitor_interval", 30),
    ],
)
def test_the_figures_of_the_contract_are_the_defaults(name: str, value: float) -> None:
    assert Settings.model_fields[name].default == value


def test_partial_results_are_fetched_for_ten_minutes_after_a_job_s_own_deadline() -> None:
    assert Patience(interval=30).after_deadline == 600
