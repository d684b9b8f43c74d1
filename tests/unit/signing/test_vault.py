"""Secrets at rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.signing.vault import SealedError, Vault, new_secret, shown

OLD, NEW = "the old master key, 0123456789", "the new master key, 0123456789"
KEY, ANOTHER = "key_" + "1" * 32, "key_" + "2" * 32


@given(st.binary(max_size=64))
def test_a_secret_comes_out_as_it_went_in(secret: bytes) -> None:
    vault = Vault([OLD])

    assert vault.open(KEY, vault.seal(KEY, secret)) == secret


def test_what_is_kept_holds_neither_the_secret_nor_what_it_is_shown_as() -> None:
    secret = new_secret()

    sealed = Vault([OLD]).seal(KEY, secret)

    assert secret not in sealed
    assert shown(secret).encode() not in sealed


def test_a_secret_that_was_copied_onto_another_key_does_not_open() -> None:
    vault = Vault([OLD])
    sealed = vault.seal(KEY, new_secret())

    with pytest.raises(SealedError, match=f"kept for {ANOTHER} was sealed for something else"):
        vault.open(ANOTHER, sealed)
    with pytest.raises(SealedError, match="sealed for something else"):
        vault.resealed(ANOTHER, sealed)


def test_the_first_master_key_seals_and_all_of_them_open() -> None:
    secret = new_secret()
    by_old, by_both = Vault([OLD]).seal(KEY, secret), Vault([NEW, OLD]).seal(KEY, secret)

    assert Vault([NEW, OLD]).open(KEY, by_old) == secret
    assert Vault([NEW]).open(KEY, by_both) == secret


def test_without_its_master_key_a_secret_stays_closed_and_the_error_says_what_to_set() -> None:
    sealed = Vault([OLD]).seal(KEY, b"planted-secret")

    with pytest.raises(SealedError, match=rf"opens the secret of {KEY}.*POLLING_MASTER_KEYS") as refused:
        Vault([NEW]).open(KEY, sealed)

    assert "planted" not in str(refused.value)


def test_a_secret_is_sealed_anew_by_the_first_master_key_once() -> None:
    sealed = Vault([OLD]).seal(KEY, b"secret")

    resealed = Vault([NEW, OLD]).resealed(KEY, sealed)

    assert resealed
    assert Vault([NEW]).open(KEY, resealed) == b"secret"
    assert Vault([NEW, OLD]).resealed(KEY, resealed) is None


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_sealed_secret_that_was_changed_anywhere_does_not_open(place: int, change: int) -> None:
    vault = Vault([OLD])
    sealed = bytearray(vault.seal(KEY, b"secret"))
    sealed[place % (len(sealed) - 4)] ^= change  # the last characters are padding, of which not each bit counts

    with pytest.raises(SealedError):
        vault.open(KEY, bytes(sealed))


def test_secrets_have_32_bytes_and_are_shown_as_base64() -> None:
    assert len(new_secret()) == 32
    assert new_secret() != new_secret()
    assert shown(bytes(range(32))) == "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def test_a_vault_needs_a_master_key() -> None:
    with pytest.raises(ValueError, match="no master key"):
        Vault([])
