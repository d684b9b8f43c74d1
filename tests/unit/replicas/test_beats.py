"""What a server's beats prove: how much of the primary it has, and since when something is lacking."""

from hypothesis import given
from hypothesis import strategies as st

from polling_api.replicas.beats import MOST_KEPT, NEVER, Beats, Extent

FIRST, SECOND, THIRD = "first", "second", "third"


def three_beats() -> Beats:
    beats = Beats()
    for name, at in ((FIRST, 10.0), (SECOND, 10.5), (THIRD, 11.0)):
        beats.note(name, at)
    return beats


def test_who_has_the_last_beat_lacks_nothing() -> None:
    extent = three_beats().extent([THIRD, SECOND, FIRST])

    assert extent == Extent(at=11.0, lacking_since=None)
    assert extent.lag(now=99) == 0


def test_who_has_an_earlier_one_lacks_something_since_the_one_after_it() -> None:
    extent = three_beats().extent([FIRST])

    assert extent == Extent(at=10.0, lacking_since=10.5)
    assert extent.lag(now=12.5) == 2.0


def test_a_beat_that_is_not_known_here_yet_is_passed_over_for_the_one_before_it() -> None:
    assert three_beats().extent(["of another process", THIRD]) == Extent(at=11.0, lacking_since=None)


def test_beats_of_another_log_prove_nothing() -> None:
    extent = three_beats().extent(["of the primary that was replaced", "and before"])

    assert extent.at == NEVER
    assert extent.lag(now=12.0) == 2.0


def test_where_the_primary_has_made_none_nothing_is_proven_and_nothing_lacking() -> None:
    assert Beats().extent([FIRST]) == Extent(at=NEVER, lacking_since=None)


def test_what_is_learnt_of_a_beat_first_stays() -> None:
    beats = Beats()
    beats.note(FIRST, 10.0)
    beats.note(FIRST, 10.4)

    assert beats.extent([FIRST]).at == 10.0


@given(made=st.lists(st.floats(0.001, 5), min_size=1, max_size=2 * MOST_KEPT), replayed=st.integers(0, 2 * MOST_KEPT))
def test_nothing_later_than_the_last_beat_that_is_there_is_ever_proven(made: list[float], replayed: int) -> None:
    beats, moments, now = Beats(), list[float](), 0.0
    for number, pause in enumerate(made):
        now += pause
        moments.append(now)
        beats.note(str(number), now)
    held = [str(number) for number in reversed(range(min(replayed, len(made))))][:16]

    extent = beats.extent(held)

    last = moments[int(held[0])] if held else NEVER
    assert extent.at in {last, NEVER}
    assert (extent.lacking_since is None) == (last == now)
