"""How far back the operator asks for."""

import pytest

from polling_api.commands.audit import period


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600), (" 1 h ", 3600)],
)
def test_a_period_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert period(text) == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1.5h", "1 hour", "9999999999s", "\N{ARABIC-INDIC DIGIT ONE}h"])
def test_what_is_no_period_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="as 24h"):
        period(text)
