"""When a replica is taken out, and when it is put back."""

import pytest

from polling_api.replicas.beats import NEVER, Extent
from polling_api.replicas.standing import Standing, judge
from polling_api.store.replica import Held

NOW = 100.0
REPLAYING = Held(replays=True, beats=())


def judged(extent: Extent, was: Standing = Standing.IN_ROTATION, held: Held = REPLAYING) -> Standing:
    return judge(held, extent, was, now=NOW, most_lag=1.0)


@pytest.mark.parametrize("was", [Standing.UNSEEN, Standing.AWAY, Standing.LAGGING, Standing.PROMOTED])
def test_one_that_lacks_nothing_is_asked_whatever_it_was(was: Standing) -> None:
    assert judged(Extent(NOW, None), was) is Standing.IN_ROTATION


def test_one_is_taken_out_over_the_bound_and_put_back_below_half_of_it() -> None:
    lags = [0.2, 0.9, 1.1, 0.9, 0.6, 0.4, 0.9]
    standings = [Standing.UNSEEN]
    for lag in lags:
        standings.append(judged(Extent(NOW - 5, NOW - lag), standings[-1]))

    assert [standing is Standing.IN_ROTATION for standing in standings[1:]] == [
        True, True, False, False, False, True, True,
    ]  # fmt: skip


def test_one_that_replays_nothing_is_no_replica_though_it_has_every_beat() -> None:
    assert judged(Extent(NOW, None), held=Held(replays=False, beats=())) is Standing.PROMOTED


def test_one_that_has_no_beat_of_this_primary_is_not_believed() -> None:
    assert judged(Extent(NEVER, NOW - 0.1)) is Standing.FOREIGN


def test_while_the_primary_makes_no_beats_nobody_lags() -> None:
    assert judged(Extent(NOW - 250, None)) is Standing.IN_ROTATION
