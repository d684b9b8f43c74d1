"""Verifiers that others wrote take what we sign, and nothing that differs from it by a byte."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import standardwebhooks
import svix.webhooks
from hypothesis import given
from hypothesis import strategies as st

from polling_api.webhooks.signature import signature_headers
from polling_api.webhooks.standard import secret_of

SECRET, NEXT = bytes(range(32)), bytes(range(32, 64))
BODY = '{"type":"job.succeeded","data":{"colour":"blué"}}'.encode()

Verify = Callable[[str, bytes, dict[str, str]], None]


def by_standard(secret: str, body: bytes, headers: dict[str, str]) -> None:
    standardwebhooks.Webhook(secret).verify(body, headers)


def by_svix(secret: str, body: bytes, headers: dict[str, str]) -> None:
    svix.webhooks.Webhook(secret).verify(body, headers)


REJECTS: tuple[type[Exception], ...] = (
    standardwebhooks.WebhookVerificationError,
    svix.webhooks.WebhookVerificationError,
    ValueError,  # what is no UTF-8, or no number, they do not even compare
)

verifiers = pytest.mark.parametrize("verify", [by_standard, by_svix])


def now() -> int:
    """The present, by which these verifiers go: they know no other."""
    return int(datetime.now(UTC).timestamp())


@pytest.fixture
def headers() -> dict[str, str]:
    return signature_headers([SECRET], "whd_1", now(), BODY)


@verifiers
def test_a_signature_is_accepted(verify: Verify, headers: dict[str, str]) -> None:
    verify(secret_of(SECRET), BODY, headers)


@verifiers
@pytest.mark.parametrize("secret", [SECRET, NEXT])
def test_while_a_secret_is_replaced_either_verifies(verify: Verify, secret: bytes) -> None:
    headers = signature_headers([NEXT, SECRET], "whd_1", now(), BODY)

    verify(secret_of(secret), BODY, headers)


@verifiers
def test_another_secret_does_not(verify: Verify, headers: dict[str, str]) -> None:
    with pytest.raises(REJECTS):
        verify(secret_of(NEXT), BODY, headers)


@verifiers
@given(place=st.integers(0, len(BODY) - 1), byte=st.integers(1, 255))
def test_a_body_that_differs_by_a_byte_is_rejected(verify: Verify, place: int, byte: int) -> None:
    changed = bytearray(BODY)
    changed[place] ^= byte

    with pytest.raises(REJECTS):
        verify(secret_of(SECRET), bytes(changed), signature_headers([SECRET], "whd_1", now(), BODY))


@verifiers
@pytest.mark.parametrize(
    "changed",
    [{"webhook-id": "whd_2"}, {"webhook-timestamp": "1795669200"}, {"webhook-signature": "v1,AAAA"}],
)
def test_a_header_that_differs_is_rejected(verify: Verify, headers: dict[str, str], changed: dict[str, str]) -> None:
    with pytest.raises(REJECTS):
        verify(secret_of(SECRET), BODY, headers | changed)


@verifiers
@given(place=st.integers(0, 41))
def test_a_signature_that_differs_by_a_character_is_rejected(verify: Verify, place: int) -> None:
    headers = signature_headers([SECRET], "whd_1", now(), BODY)
    scheme, _, signature = headers["webhook-signature"].partition(",")
    other = "A" if signature[place] != "A" else "B"
    headers["webhook-signature"] = f"{scheme},{signature[:place]}{other}{signature[place + 1 :]}"

    with pytest.raises(REJECTS):
        verify(secret_of(SECRET), BODY, headers)


@verifiers
def test_an_old_message_is_rejected(verify: Verify) -> None:
    with pytest.raises(REJECTS):
        verify(secret_of(SECRET), BODY, signature_headers([SECRET], "whd_1", now() - 3600, BODY))
