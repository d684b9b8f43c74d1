from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.api.conditional import parse_condition
from polling_api.domain.job import Job, Progress, Status
from polling_api.domain.validators import entity_tag, version_of
from polling_api.representation import Form, Rendered

CHANGED = datetime(2026, 11, 23, 9, 0, 12, 345678, tzinfo=UTC)
MUCH_LATER = CHANGED + timedelta(minutes=1)
ITS_DATE = "Mon, 23 Nov 2026 09:00:12 GMT"
A_SECOND_EARLIER = "Mon, 23 Nov 2026 09:00:11 GMT"


# What RFC 9110, section 8.8.3, lets an entity tag be made of; a comma in it divides nothing.
OPAQUE = st.text(st.characters(codec="latin-1", exclude_characters='"', exclude_categories=["Cc", "Zs"]), max_size=8)
TAGS = st.lists(st.tuples(st.sampled_from(["", "W/"]), OPAQUE), max_size=5)
DATE_PARTS = st.text("0123456789:+-., JanGMT", max_size=12)
BETWEEN = st.sampled_from([",", ", ", " ,\t", ",,", " , , "])
SECONDS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)).map(  # noqa: DTZ001 - it is given its zone next
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)


def version(number: int, changed: datetime = CHANGED) -> Job:
    return Job(
        id="job_0b5c1e0e3a7f4a52b1d95f0c6a3e8d21",
        version=number,
        status=Status.IN_PROGRESS,
        status_version=2,
        progress=Progress(total=100, completed=40),
        endpoint="/v1/chat/completions",
        provider="simulator",
        created_at=CHANGED - timedelta(minutes=5),
        updated_at=changed,
    )


@pytest.fixture
def rendered() -> Rendered:
    return Rendered(version(4), Form("/api/v1/jobs"))


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


@given(TAGS, BETWEEN, st.sampled_from(["", " ", ",", "\t,"]))
def test_every_list_of_the_grammar_is_read_whole(tags: list[tuple[str, str]], between: str, around: str) -> None:
    header = around + between.join(f'{weak}"{opaque}"' for weak, opaque in tags) + around

    assert parse_condition(header, None).tags == {f'"{opaque}"' for _, opaque in tags}


@given(st.text(st.characters(codec="latin-1")), st.text(st.characters(codec="latin-1")))
def test_no_header_is_an_error(if_none_match: str, if_modified_since: str) -> None:
    rendered = Rendered(version(4), Form("/api/v1/jobs"))

    by_tag, by_date = parse_condition(if_none_match, None), parse_condition(None, if_modified_since)

    assert not by_tag.holds(rendered, MUCH_LATER) or if_none_match.strip() == "*"
    assert not by_date.given or by_date.since is not None


@given(st.sampled_from(["{} GMT", "Mon, {} GMT", "{} 09:00:12 GMT", "Mon, 23 Nov {} 09:00:12 {}"]), DATE_PARTS)
def test_nothing_that_looks_like_a_date_is_an_error(shape: str, text: str) -> None:
    condition = parse_condition(None, shape.format(text, text))

    assert condition.given == (condition.since is not None)


@given(SECONDS, SECONDS, st.integers(0, 999_999))
def test_a_date_holds_for_what_was_not_changed_since_once_its_second_is_over(
    since: datetime, now: datetime, part: int
) -> None:
    changed = CHANGED.replace(microsecond=part)
    condition = parse_condition(None, format_datetime(since, usegmt=True))

    held = condition.holds(Rendered(version(4, changed), Form("/api/v1/jobs")), now)

    assert condition.since == since
    assert held == (changed.replace(microsecond=0) <= since and since + timedelta(seconds=1) <= now)


@given(st.integers(1, 999_999_999), st.lists(st.text(), max_size=3))
def test_an_entity_tag_tells_its_version_whatever_its_form(number: int, form: list[str]) -> None:
    tag = entity_tag(version(number), *form)

    assert version_of(tag) == version_of(tag.removeprefix("W/")) == number
    assert parse_condition(tag, None).version == number


@given(st.text())
def test_any_text_is_a_tag_of_ours_or_none(text: str) -> None:
    assert version_of(text) is None
