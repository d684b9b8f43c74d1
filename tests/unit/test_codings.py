"""Which coding an answer is sent in (RFC 9110, section 12.5.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.api.codings import PLAIN, accepted_codings, read_codings
from polling_api.coding import WORTHWHILE

BROWSER = "gzip, deflate, br, zstd"
LONG = 2 * WORTHWHILE


def chosen(value: str, length: int = LONG) -> str | None:
    """The name of the coding of a body of this length, `406` where nothing is acceptable."""
    accepted = read_codings(value.encode())
    coding = accepted.coding_of(length)
    return coding.name if coding else "identity" if accepted.plain else "406"


@pytest.mark.parametrize(
    ("value", "coding"),
    [
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("zstd", "zstd"),
        (BROWSER, "zstd"),
        ("gzip, deflate", "gzip"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("zstd;q=0.8,gzip;q=0.8", "zstd"),
        ("gzip ; q=0.001", "gzip"),
        ("*", "gzip"),
        ("*;q=0.5", "gzip"),
        ("zstd;q=0, *", "gzip"),
        ("gzip;q=0, *", "identity"),
        ("gzip;q=0.5, identity", "identity"),
        ("gzip, identity;q=0.5", "gzip"),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("gzip;q=0", "identity"),
        ("", "identity"),
        ("identity", "identity"),
        ("br", "identity"),
        ("*;q=0", "406"),
        ("identity;q=0", "406"),
        ("identity;q=0, br", "406"),
        ("*;q=0, identity;q=0.1", "identity"),
        ("*;q=0, gzip", "gzip"),
        ("identity;q=0, *", "gzip"),
        ("identity;q=0, gzip;q=0, zstd;q=0.1", "zstd"),
        ("nonsense nonsense, gzip", "gzip"),
        ("gzip;q=nonsense", "identity"),
        (";;,,", "identity"),
    ],
)
def test_the_coding_that_the_caller_likes_best_is_chosen(value: str, coding: str) -> None:
    assert chosen(value) == coding


@pytest.mark.parametrize(("length", "coding"), [(0, "identity"), (1023, "identity"), (1024, "gzip"), (5000, "gzip")])
def test_a_body_up_to_a_kilobyte_is_sent_as_it_is(length: int, coding: str) -> None:
    assert chosen("gzip", length) == coding


def test_a_short_body_is_compressed_for_those_who_take_no_other() -> None:
    assert chosen("gzip, identity;q=0", 10) == "gzip"


def test_a_request_that_says_nothing_is_answered_plainly() -> None:
    assert accepted_codings({"headers": []}) is PLAIN


def test_several_lines_are_one_list() -> None:
    lines = [(b"accept-encoding", b"br"), (b"accept-encoding", b"gzip")]

    best = accepted_codings({"headers": lines}).best

    assert best is not None
    assert best.name == "gzip"


@given(st.binary(max_size=300))
def test_any_header_can_be_read(value: bytes) -> None:
    accepted = read_codings(value)

    assert accepted.best is None or accepted.best.name in {"gzip", "zstd"}


@given(st.text(alphabet="gzipstdenty*,;=q01. ", max_size=60))
def test_any_header_that_looks_like_one_can_be_read(value: str) -> None:
    assert chosen(value) in {"gzip", "zstd", "identity", "406"}
