"""Where a reader of a client's stream stands, as values and as the numbers of a cursor."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.api.cursors import Cursors
from polling_api.api.places import numbers_of_place, place_of_numbers
from polling_api.api.positions import identifier_of, microseconds, moment_of, numbers_of
from polling_api.api.routes.client_events import believed
from polling_api.domain.places import Horizon, Place, Position, Visited

job_ids = st.integers(0, 2**128 - 1).map(lambda number: f"job_{number:032x}")
versions = st.integers(1, 10**9)
moments = st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - as hypothesis wants them


@st.composite
def horizons(draw: st.DrawFn) -> Horizon:
    following = draw(st.integers(1_000, 2**62))
    behind = draw(st.sets(st.integers(1, 900), max_size=20))
    return Horizon(following, tuple(sorted(following - one for one in behind)))


beyond = st.dictionaries(job_ids, versions, max_size=32)
lives = st.builds(Place, horizons(), beyond)
replays = st.builds(
    Place,
    horizons(),
    beyond,
    until=horizons(),
    after=st.builds(Position, st.integers(1, 2**62), job_ids, versions),
)


def in_a_visit(since: Horizon, visited: Visited) -> Place:
    return Place(since, visiting=True, visited=visited)


visits = st.builds(in_a_visit, horizons(), st.builds(Visited, moments, job_ids))


@given(st.one_of(lives, replays, visits))
def test_a_place_comes_back_from_its_numbers_through_a_cursor(place: Place) -> None:
    cursor = Cursors(["made-up-for-tests"]).bound_to("client events", "client_0")

    text = cursor.at(numbers_of_place(place))

    assert place_of_numbers(cursor.read(text)) == place


@given(replays)
def test_a_cursor_is_bounded(place: Place) -> None:
    size = len(orjson.dumps(numbers_of_place(place)))

    open_ones = len(place.since.open) + len(place.until.open if place.until else ())
    assert size <= 180 + 54 * len(place.beyond) + 5 * open_ones


@pytest.mark.parametrize("numbers", [None, [], [2, 1, 0, 0, 0]])
def test_what_is_no_place_or_of_another_layout_is_none(numbers: list[int] | None) -> None:
    assert place_of_numbers(numbers) is None


@given(job_ids)
def test_an_id_is_two_numbers(job_id: str) -> None:
    assert identifier_of("job", *numbers_of(job_id)) == job_id
    assert all(number < 2**64 for number in numbers_of(job_id))


@given(moments)
def test_a_moment_is_its_microseconds(moment: datetime) -> None:
    assert moment_of(microseconds(moment)) == moment


def test_below_its_oldest_open_transaction_all_have_ended() -> None:
    assert Horizon.parse("10:20:11,14").oldest_open == 11
    assert Horizon.parse("20:20:").oldest_open == 20


@pytest.mark.parametrize(
    ("place", "is_believed"),
    [
        (Place(Horizon(100)), True),
        (Place(Horizon(101)), False),
        (Place(Horizon(90), until=Horizon(100), after=Position(95, "", 1)), True),
        (Place(Horizon(90), until=Horizon(101), after=Position(95, "", 1)), False),
    ],
)
def test_a_place_that_lies_in_the_future_is_not_believed(place: Place, is_believed: bool) -> None:  # noqa: FBT001
    assert (believed(place, Horizon(100)) is not None) is is_believed


def test_nowhere_stays_nowhere() -> None:
    assert believed(None, Horizon(100)) is None
