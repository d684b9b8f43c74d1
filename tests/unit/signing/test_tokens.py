"""Access tokens: what is signed comes back, and nothing that was not."""

import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.domain.caller import Grant, Scope
from polling_api.domain.job import new_job_id
from polling_api.signing.tokens import InvalidToken, Tokens

OLD, NEW = "a-master-key-of-last-year", "a-master-key-of-this-year"
NOW = datetime(2026, 11, 23, 9, 0, 0, 123_000, UTC)
TOKENS = Tokens([NEW], clock=NOW.timestamp)
# All that `Authorization: Bearer` can hold, and some that it cannot.
CHARACTERS = string.ascii_letters + string.digits + "-_.~+/= !\xe9"

ids = st.binary(min_size=16, max_size=16).map(bytes.hex)
grants = st.builds(
    Grant,
    id=ids.map("tok_{}".format),
    client_id=ids.map("cl_{}".format),
    key_id=ids.map("key_{}".format),
    jobs=st.none() | st.frozensets(ids.map("job_{}".format), min_size=1, max_size=100),
    scopes=st.frozensets(st.sampled_from(Scope), min_size=1),
    expires_at=st.integers(1, 86_400_000).map(lambda ms: NOW + timedelta(milliseconds=ms)),
)


def grant(expires_at: datetime = NOW + timedelta(minutes=15)) -> Grant:
    return Grant(
        id="tok_" + "1" * 32,
        client_id="cl_" + "2" * 32,
        key_id="key_" + "3" * 32,
        jobs=frozenset({new_job_id()}),
        scopes=frozenset({Scope.STATUS}),
        expires_at=expires_at,
    )


@given(grants)
def test_a_token_says_what_it_was_made_for(given: Grant) -> None:
    assert TOKENS.verified(TOKENS.token_for(given)) == given


@given(grants)
def test_a_token_needs_no_escape_in_a_header_or_an_address(given: Grant) -> None:
    assert set(TOKENS.token_for(given)) <= set(string.ascii_letters + string.digits + "-_.")


@given(st.data())
def test_a_token_with_one_character_changed_is_none(data: st.DataObject) -> None:
    token = TOKENS.token_for(grant())
    place = data.draw(st.integers(min_value=0, max_value=len(token) - 1))
    other = data.draw(st.sampled_from(CHARACTERS).filter(lambda character: character != token[place]))

    with pytest.raises(InvalidToken):
        TOKENS.verified(token[:place] + other + token[place + 1 :])


@given(st.data())
def test_a_token_with_one_character_more_or_less_is_none(data: st.DataObject) -> None:
    token = TOKENS.token_for(grant())
    place = data.draw(st.integers(min_value=0, max_value=len(token)))
    more = data.draw(st.sampled_from(["", *CHARACTERS]))
    changed = token[:place] + more + token[place + (not more) :]

    if changed != token:  # of two equal characters beside each other it makes no difference which is doubled
        with pytest.raises(InvalidToken):
            TOKENS.verified(changed)


@given(st.text())
def test_what_was_not_given_out_is_none(text: str) -> None:
    with pytest.raises(InvalidToken):
        TOKENS.verified(text)


def test_a_token_ends_to_the_millisecond() -> None:
    clock = [NOW.timestamp()]
    tokens = Tokens([NEW], clock=lambda: clock[0])
    token = tokens.token_for(grant(NOW + timedelta(seconds=1)))

    clock[0] += 0.998
    before = tokens.verified(token)
    clock[0] += 0.003

    assert before.expires_at == NOW + timedelta(seconds=1)
    with pytest.raises(InvalidToken):
        tokens.verified(token)


def test_a_token_of_the_last_master_key_is_good_while_that_one_is_kept() -> None:
    token = Tokens([OLD], clock=NOW.timestamp).token_for(grant())

    assert Tokens([NEW, OLD], clock=NOW.timestamp).verified(token)
    with pytest.raises(InvalidToken):
        TOKENS.verified(token)
