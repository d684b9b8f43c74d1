"""Cursors: what is signed comes back, for what it was signed, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.api.cursors import Cursors

OLD, NEW = "a-master-key-of-last-year", "a-master-key-of-this-year"
CURSORS = Cursors([NEW])

numbers = st.lists(st.integers(min_value=-1, max_value=10**9), max_size=100)


@given(numbers)
def test_a_cursor_gives_back_what_it_was_made_from(positions: list[int]) -> None:
    cursor = CURSORS.bound_to("history", "job")

    assert cursor.read(cursor.at(positions)) == positions


@given(numbers)
def test_a_cursor_fits_into_a_header_a_query_and_an_event(positions: list[int]) -> None:
    text = CURSORS.bound_to("history", "job").at(positions)

    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert len(text) < 2_000


@given(st.text())
def test_what_was_not_signed_is_not_read(text: str) -> None:
    assert CURSORS.bound_to("history", "job").read(text) is None


@given(st.data())
def test_a_cursor_with_one_character_changed_is_not_read(data: st.DataObject) -> None:
    cursor = CURSORS.bound_to("history", "job")
    text = cursor.at([4, 8])
    place = data.draw(st.integers(min_value=0, max_value=len(text) - 1))
    other = data.draw(st.sampled_from("ABQgwXYZabc019-_+/~! ").filter(lambda character: character != text[place]))

    assert cursor.read(text[:place] + other + text[place + 1 :]) is None


@pytest.mark.parametrize(
    "words", [("history", "another"), ("events", "job"), ("history",), ("history\njob",), ("history", "job", "")]
)
def test_a_cursor_is_good_for_what_it_was_made_for_alone(words: tuple[str, ...]) -> None:
    text = CURSORS.bound_to("history", "job").at([1])

    assert CURSORS.bound_to(*words).read(text) is None


def test_the_first_key_signs_and_all_verify() -> None:
    words = ("history", "job")
    before, between, after = Cursors([OLD]), Cursors([NEW, OLD]), Cursors([NEW])

    assert between.bound_to(*words).read(before.bound_to(*words).at([1])) == [1]
    assert after.bound_to(*words).read(between.bound_to(*words).at([1])) == [1]
    assert after.bound_to(*words).read(before.bound_to(*words).at([1])) is None


def test_without_a_key_nothing_is_signed() -> None:
    with pytest.raises(ValueError, match="master key"):
        Cursors([])
