"""What is asked of a list, as it stands in a query."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.api.routes.listing import asked_moment, asked_statuses
from polling_api.domain.job import Status
from polling_api.errors import Invalid
from polling_api.store.listing import EVER


@pytest.mark.parametrize(
    ("values", "statuses"),
    [
        ([], set[Status]()),
        (["queued"], {Status.QUEUED}),
        (["queued,failed", " expired "], {Status.QUEUED, Status.FAILED, Status.EXPIRED}),
        (["queued", "queued"], {Status.QUEUED}),
    ],
)
def test_statuses_may_be_given_in_any_way(values: list[str], statuses: set[Status]) -> None:
    assert asked_statuses(values) == statuses


@given(st.text().filter(lambda text: not set(map(str.strip, text.split(","))) <= set(Status)))
def test_what_is_no_status_is_named_in_the_error(text: str) -> None:
    with pytest.raises(Invalid) as error:
        asked_statuses(["queued", text])

    assert {one.pointer for one in error.value.errors} == {"?status"}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (None, EVER),
        ("2026-11-23T09:00:00Z", datetime(2026, 11, 23, 9, tzinfo=UTC)),
        ("2026-11-23t09:00:00.5z", datetime(2026, 11, 23, 9, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-23 09:00:00.123456789+02:00", datetime(2026, 11, 23, 7, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-11-23T09:00:00-00:30", datetime(2026, 11, 23, 9, tzinfo=timezone(-timedelta(minutes=30)))),
    ],
)
def test_a_moment_is_read_as_rfc_3339_says(text: str | None, moment: datetime) -> None:
    assert asked_moment(text) == moment


@given(st.text())
def test_what_is_no_moment_is_named_in_the_error(text: str) -> None:
    with pytest.raises(Invalid) as error:
        asked_moment(f"x{text}")

    assert [one.pointer for one in error.value.errors] == ["?created_after"]
