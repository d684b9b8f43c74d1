import pytest

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
