"""What an attempt leads to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.settings import Settings
from polling_api.store.webhook_outcomes import Fate
from polling_api.webhooks.schedule import MOST_RETRY_AFTER, Answer, Verdict, verdict

SCHEDULE = (10.0, 60.0, 300.0)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_success(status: int) -> None:
    assert verdict(Answer(status), 0, SCHEDULE, 0.5) == Verdict(Fate.DELIVERED)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 429, 500, 503, None])
def test_all_else_is_tried_again_redirects_too(status: int | None) -> None:
    assert verdict(Answer(status, "no"), 0, SCHEDULE, 0.5) == Verdict(Fate.RETRIED, 5.0)


def test_410_ends_it_at_once() -> None:
    assert verdict(Answer(410, "410 Gone"), 0, SCHEDULE, 0.5) == Verdict(Fate.DEAD, gone=True)


def test_after_the_last_wait_it_is_dead() -> None:
    fates = [verdict(Answer(None, "no"), tries, SCHEDULE, 0.5).fate for tries in range(5)]

    assert fates == [Fate.RETRIED] * 3 + [Fate.DEAD] * 2


@given(st.integers(0, 2), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_drawn_from_nothing_up_to_its_ceiling(tries: int, chance: float) -> None:
    assert 0 <= verdict(Answer(500, "no"), tries, SCHEDULE, chance).wait <= SCHEDULE[tries]


@pytest.mark.parametrize(("asked", "waits"), [(3.0, 5.0), (30.0, 30.0), (1e9, MOST_RETRY_AFTER)])
def test_a_receiver_s_retry_after_is_kept_to_if_it_is_longer_and_bounded(asked: float, waits: float) -> None:
    assert verdict(Answer(503, "no", retry_after=asked), 0, SCHEDULE, 0.5).wait == waits


def test_the_default_schedule_takes_about_a_day_on_average() -> None:
    ceilings = Settings().webhook_schedule

    assert 18 * 3600 < sum(ceilings) / 2 < 30 * 3600
