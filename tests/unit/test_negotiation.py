import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.api.negotiation import JSON, LINES, preferred, require_plain, weight_of
from polling_api.errors import NotAcceptable, Unsupported

STREAM = "text/event-stream"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "application/json",
        "application/*",
        "APPLICATION/JSON",
        "application/json;charset=utf-8",
        "application/json; q=0.001",
        "text/html, application/json",
        "text/html;q=1, application/*;q=0.5",
        "text/html,, ,application/json",
        'text/html;title="a,b", application/json',
        "*/*;q=0, application/json",
        "application/*;q=0, application/json;q=0.1",
        "nonsense",
        BROWSER,
    ],
)
def test_json_is_made_for_those_who_do_not_exclude_it(accept: str | None) -> None:
    preferred(accept, JSON)


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "text/*",
        "application/xml",
        "application/problem+json",
        "application/json;q=0",
        "application/json;q=0.000",
        "application/json; Q=0",
        "*/*;q=0",
        "*/*, application/json;q=0",
        "*/*, application/*;q=0",
        "text/html, nonsense",
        STREAM,
    ],
)
def test_json_is_not_made_for_those_who_exclude_it(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        preferred(accept, JSON)


def test_an_event_stream_is_another_type_than_json() -> None:
    assert weight_of("text/event-stream", STREAM)
    assert weight_of("text/*", STREAM)
    assert not weight_of("application/json", STREAM)


@pytest.mark.parametrize(
    ("accept", "best"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (LINES, LINES),
        (f"{LINES}, {JSON}", JSON),
        (f"{LINES}, {JSON};q=0.9", LINES),
        (f"{LINES};q=0.5, */*;q=0.1", LINES),
        (f"{LINES};q=0, */*", JSON),
        (f"{JSON};q=0, */*", LINES),
        ("nonsense", JSON),
    ],
)
def test_of_what_can_be_made_the_callers_favourite_is_and_of_equals_the_usual(accept: str | None, best: str) -> None:
    assert preferred(accept, JSON, LINES) == best


def test_where_all_that_can_be_made_is_excluded_nothing_is() -> None:
    with pytest.raises(NotAcceptable, match=f"{JSON} or {LINES}"):
        preferred("text/html", JSON, LINES)


@given(st.text())
def test_any_accept_can_be_read(accept: str) -> None:
    assert 0 <= weight_of(accept, JSON) <= 1


@given(st.text(alphabet='*/,;=q01. a"\\', max_size=200))
def test_any_accept_that_looks_like_one_can_be_read(accept: str) -> None:
    assert 0 <= weight_of(accept, JSON) <= 1


@pytest.mark.parametrize("coding", [None, "", "identity", " Identity "])
def test_a_plain_body_is_read(coding: str | None) -> None:
    require_plain(coding)


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, identity", "x"])
def test_a_compressed_body_is_not_read(coding: str) -> None:
    with pytest.raises(Unsupported):
        require_plain(coding)
