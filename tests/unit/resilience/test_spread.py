from hypothesis import given
from hypothesis import strategies as st

from polling_api.resilience.backoff import spread


@given(st.floats(0, 3600), st.floats(0, 1, exclude_max=True))
def test_nobody_is_told_to_come_back_sooner_than_it_helps_or_much_later(seconds: float, chance: float) -> None:
    told = spread(seconds, chance)

    assert max(1, seconds) <= told <= 2 * max(1, seconds + 1)


def test_those_who_were_refused_together_come_back_apart() -> None:
    assert {spread(2, chance / 10) for chance in range(10)} == {2, 3, 4}
