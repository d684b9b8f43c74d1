"""Which month a moment is of, and which months lie between two moments."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from polling_api.store.audit_partitions import Month, months

TICK = timedelta(microseconds=1)
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)

moments = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments)
def test_a_month_holds_its_moments_and_ends_where_the_next_begins(moment: datetime) -> None:
    month = Month.of(moment)

    assert month.begin <= moment < month.end
    assert Month.of(month.end).begin == month.end
    assert Month.of(month.end - TICK) == month


@given(moments, st.integers(0, 800))
def test_months_between_two_moments_leave_no_gap(first: datetime, days: int) -> None:
    last = first + timedelta(days=days)

    found = list(months(first, last))

    assert found[0] == Month.of(first)
    assert found[-1] == Month.of(last)
    assert [month.end for month in found[:-1]] == [month.begin for month in found[1:]]


def test_a_month_is_that_of_utc() -> None:
    new_york = timezone(-timedelta(hours=5))

    assert Month.of(datetime(2026, 12, 31, 20, tzinfo=new_york)).partition == "audit_2027_01"


def test_the_year_changes_at_its_edge() -> None:
    assert [Month.of(moment).partition for moment in (NEW_YEAR - TICK, NEW_YEAR)] == ["audit_2026_12", "audit_2027_01"]
