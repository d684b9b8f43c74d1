"""The rules for clients and their keys."""

import pytest

from polling_api.domain.client import CLIENT_ID, KEY_ID, check_name, new_client_id, new_key_id
from polling_api.errors import Invalid


@pytest.mark.parametrize("name", ["d", "demo", "Übersetzer GmbH & Co. (日本)", "x" * 100])
def test_a_name_has_up_to_100_printable_characters(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "two\nlines", "\x1b[31mred", "a\0b", "\ud800", "\u202edlrow"])
def test_a_name_that_is_blank_long_or_not_printable_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        check_name(name)


def test_ids_hold_128_random_bits() -> None:
    assert CLIENT_ID.fullmatch(new_client_id())
    assert KEY_ID.fullmatch(new_key_id())
    assert new_key_id() != new_key_id()
