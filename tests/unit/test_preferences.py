import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.api.preferences import Until, preferred_wait, queried_until, queried_wait
from polling_api.domain.job import Job, Progress, Status
from polling_api.errors import Invalid

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=10", 10),
        ("wait=0", 0),
        ("Wait = 10", 10),
        ('wait="10"', 10),
        ("respond-async, wait=10", 10),
        ('foo="a,wait=1", wait=10', 10),
        ("wait=10;late=yes, handling=lenient", 10),
        ("wait=5, wait=9", 5),
        ("wait=99999999999999999999", 99_999_999_999_999_999_999),
    ],
)
def test_a_preferred_wait_is_found_in_any_form_of_rfc_7240(prefer: str, seconds: int) -> None:
    assert preferred_wait(prefer) == seconds


@pytest.mark.parametrize(
    "prefer", ["", "respond-async", "wait", "wait=", "wait=ten", "wait=-1", "wait=1.5", "waiting=3", 'wait="1', ",,,"]
)
def test_a_bad_preference_is_ignored(prefer: str) -> None:
    assert preferred_wait(prefer) is None


def test_a_preference_longer_than_anybody_has_is_not_searched() -> None:
    assert preferred_wait("wait=5, " + "x" * 900) == 5
    assert preferred_wait("wait=5, " + "x" * 1000) is None


# RFC 7240, section 2: a token, perhaps a value, which may be quoted, and parameters of the same form.
TOKENS = st.text("abcxyzABC019!#$%&'*+.^_`|~-", min_size=1, max_size=8)
QUOTED = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters='"\\'), max_size=12)
VALUES = TOKENS | QUOTED.map('"{}"'.format)
PREFERENCES = st.tuples(TOKENS, st.sampled_from(["", "=", "; late=", ' = "wait=3"; x=']), VALUES).map("".join)
WAITS = st.tuples(
    st.sampled_from(["wait=", "Wait = ", "WAIT= "]),
    st.integers(0, 10**6).map(str) | st.integers(0, 10**6).map('"{}"'.format),
    st.sampled_from(["", "; late=yes", ' ; why="a,wait=3"']),
).map("".join)


@given(st.lists(PREFERENCES, max_size=3), WAITS, st.lists(PREFERENCES | WAITS, max_size=3))
def test_the_first_wait_is_found_among_all_that_rfc_7240_allows(before: list[str], wait: str, after: list[str]) -> None:
    seconds = int(re.findall("[0-9]+", wait)[0])

    assert preferred_wait(", ".join([*before, wait, *after])) == seconds


@given(st.lists(PREFERENCES, max_size=5))
def test_what_stands_in_another_preference_is_no_wait(preferences: list[str]) -> None:
    assert preferred_wait(", ".join(preferences)) is None


@given(st.text())
def test_a_wait_in_the_query_is_digits_or_refused(text: str) -> None:
    try:
        seconds = queried_wait([text])
    except Invalid:
        seconds = None

    assert (seconds is not None) == (text.isascii() and text.isdigit() and len(text) <= 1000)


@given(st.text())
def test_no_preference_is_an_error(prefer: str) -> None:
    wait = preferred_wait(prefer)

    assert wait is None or wait >= 0


def test_a_wait_in_the_query_is_whole_seconds() -> None:
    assert queried_wait(["17"]) == 17
    assert queried_wait([]) is None


@pytest.mark.parametrize("values", [["ten"], [""], ["-1"], ["1.5"], ["1", "2"], ["\uff19"], [" 1"], ["1e3"]])
def test_a_bad_wait_in_the_query_is_refused_by_name(values: list[str]) -> None:
    with pytest.raises(Invalid) as refusal:
        queried_wait(values)

    assert [error.pointer for error in refusal.value.errors] == ["?wait"]


@pytest.mark.parametrize("values", [["ever"], [""], ["change", "status"], ["Change"]])
def test_an_unknown_until_is_refused_by_name(values: list[str]) -> None:
    with pytest.raises(Invalid) as refusal:
        queried_until(values)

    assert [error.pointer for error in refusal.value.errors] == ["?until"]


def test_what_is_waited_for_is_any_change_if_nothing_is_said() -> None:
    assert queried_until([]) is Until.CHANGE


def job(version: int, status: Status, status_version: int) -> Job:
    return Job(
        id="job_0b5c1e0e3a7f4a52b1d95f0c6a3e8d21",
        version=version,
        status=status,
        status_version=status_version,
        progress=Progress(total=1),
        endpoint="/v1/chat/completions",
        provider="simulator",
        created_at=NOW,
        updated_at=NOW,
    )


@pytest.mark.parametrize(
    ("until", "seen", "present", "reached"),
    [
        (Until.CHANGE, 4, job(4, Status.IN_PROGRESS, 3), False),
        (Until.CHANGE, 4, job(5, Status.IN_PROGRESS, 3), True),
        (Until.STATUS, 4, job(9, Status.IN_PROGRESS, 3), False),
        (Until.STATUS, 4, job(9, Status.FINALIZING, 5), True),
        (Until.STATUS, 2, job(9, Status.IN_PROGRESS, 3), True),
        (Until.TERMINAL, 4, job(9, Status.FINALIZING, 5), False),
        (Until.TERMINAL, 4, job(9, Status.FAILED, 9), True),
        (Until.CHANGE, 9, job(9, Status.SUCCEEDED, 9), True),
        (Until.STATUS, 9, job(9, Status.CANCELLED, 9), True),
    ],
)
def test_a_wait_ends_with_what_was_asked_for_and_always_at_the_end(
    until: Until, seen: int, present: Job, *, reached: bool
) -> None:
    assert until.reached(seen)(present) is reached
