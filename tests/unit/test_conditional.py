from datetime import UTC, datetime, timedelta

import pytest

from polling_api.api.conditional import parse_condition
from polling_api.domain.job import Job, Progress, Status
from polling_api.representation import Form, Rendered

CHANGED = datetime(2026, 11, 23, 9, 0, 12, 345678, tzinfo=UTC)
MUCH_LATER = CHANGED + timedelta(minutes=1)
ITS_DATE = "Mon, 23 Nov 2026 09:00:12 GMT"
A_SECOND_EARLIER = "Mon, 23 Nov 2026 09:00:11 GMT"


@pytest.fixture
def rendered() -> Rendered:
    job = Job(
        id="job_0b5c1e0e3a7f4a52b1d95f0c6a3e8d21",
        version=4,
        status=Status.IN_PROGRESS,
        status_version=2,
        progress=Progress(total=100, completed=40),
        endpoint="/v1/chat/completions",
        provider="simulator",
        created_at=CHANGED - timedelta(minutes=5),
        updated_at=CHANGED,
    )
    return Rendered(job, Form("/api/v1/jobs"))


@pytest.mark.parametrize(
    "header",
    [
        "{tag}",
        '"other", {tag}',
        '{tag}, "other"',
        '  ,, "other" ,{tag} ,',
        '"other", , {tag}',
        "{strong}",
        "*",
    ],
)
def test_a_tag_that_is_listed_in_any_way_holds(rendered: Rendered, header: str) -> None:
    header = header.format(tag=rendered.etag, strong=rendered.etag.removeprefix("W/"))

    condition = parse_condition(header, None)

    assert condition.holds(rendered, MUCH_LATER)


@pytest.mark.parametrize("header", ['"other"', "", "garbage", '"', "W/", '"4-', "W/*", "**"])
def test_a_tag_that_is_another_or_cannot_be_read_does_not_hold(rendered: Rendered, header: str) -> None:
    condition = parse_condition(header, None)

    assert not condition.holds(rendered, MUCH_LATER)
    assert condition.given


def test_a_tag_of_a_comma_in_quotes_is_one_tag(rendered: Rendered) -> None:
    condition = parse_condition(f'"a,b", {rendered.etag}', None)

    assert condition.holds(rendered, MUCH_LATER)
    assert condition.tags is not None
    assert '"a,b"' in condition.tags


def test_a_tag_that_differs_wins_over_a_date_that_matches(rendered: Rendered) -> None:
    condition = parse_condition('"other"', ITS_DATE)

    assert not condition.holds(rendered, MUCH_LATER)


def test_a_tag_that_matches_wins_over_a_date_that_differs(rendered: Rendered) -> None:
    condition = parse_condition(rendered.etag, A_SECOND_EARLIER)

    assert condition.holds(rendered, MUCH_LATER)


def test_a_date_alone_holds_once_its_second_is_over(rendered: Rendered) -> None:
    condition = parse_condition(None, ITS_DATE)
    second = CHANGED.replace(microsecond=0)

    assert not condition.holds(rendered, second + timedelta(microseconds=999_999))
    assert condition.holds(rendered, second + timedelta(seconds=1))


def test_a_date_before_the_change_does_not_hold(rendered: Rendered) -> None:
    assert not parse_condition(None, A_SECOND_EARLIER).holds(rendered, MUCH_LATER)


@pytest.mark.parametrize(
    "date",
    [
        "yesterday",
        "",
        "2026-11-23T09:00:12Z",
        "Mon, 99 Nov 2026 09:00:12 GMT",
        "Mon, 01 Jan 2026 00:00:00 +" + "9" * 20,
    ],
)
def test_a_date_that_cannot_be_read_is_no_condition(rendered: Rendered, date: str) -> None:
    condition = parse_condition(None, date)

    assert not condition.holds(rendered, MUCH_LATER)
    assert not condition.given


def test_a_date_from_the_future_does_not_hold(rendered: Rendered) -> None:
    condition = parse_condition(None, "Mon, 23 Nov 2099 09:00:12 GMT")

    assert not condition.holds(rendered, MUCH_LATER)


def test_the_newest_version_among_the_tags_is_what_the_caller_has_seen() -> None:
    condition = parse_condition('W/"3-00000000000000aa", W/"7-00000000000000bb", "foreign"', None)

    assert condition.version == 7


def test_tags_that_are_not_ours_tell_no_version() -> None:
    assert parse_condition('"foreign", W/"7-short"', None).version is None
