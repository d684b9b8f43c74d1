import time
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI
from standardwebhooks import Webhook

from polling_api.webhooks.standard import BadSignature, Message, key_of, secret_of, signed, verified

NOW = 1_800_000_000
KEY, OTHER = b"k" * 32, b"o" * 32
BODY = b'{"type":"batch.completed","data":{"id":"batch_1"}}'


def headers(*, body: bytes = BODY, key: bytes = KEY, at: int = NOW, name: str = "wh_1") -> dict[str, str]:
    return {
        "webhook-id": name,
        "webhook-timestamp": str(at),
        "webhook-signature": signed(key, Message(name, at), body),
    }


def test_the_vector_of_the_standards_libraries() -> None:
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    signature = signed(key, Message("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330), b'{"test": 2432232314}')

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signed_message_is_believed() -> None:
    assert verified([KEY], headers(), BODY, now=NOW) == Message("wh_1", NOW)


def test_one_good_signature_of_several_is_enough() -> None:
    with_two = headers()
    with_two["webhook-signature"] = f"{signed(OTHER, Message('wh_1', NOW), BODY)} {with_two['webhook-signature']}"

    assert verified([KEY], with_two, BODY, now=NOW)


def test_one_good_secret_of_several_is_enough() -> None:
    assert verified([OTHER, KEY], headers(), BODY, now=NOW)


@pytest.mark.parametrize("away", [-300, 300])
def test_five_minutes_away_is_near_enough(away: int) -> None:
    assert verified([KEY], headers(at=NOW + away), BODY, now=NOW)


@pytest.mark.parametrize("away", [-301, 301])
def test_a_message_from_another_time_is_not_believed(away: int) -> None:
    with pytest.raises(BadSignature, match="timestamp"):
        verified([KEY], headers(at=NOW + away), BODY, now=NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "wh_2"},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-id": ""},
        {"webhook-id": "w" * 257},
        {"webhook-id": "wh_\u0661"},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": f"{NOW}.0"},
        {"webhook-timestamp": "\u0661" * 10},
        {"webhook-timestamp": "9" * 400},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,%%%"},
        {"webhook-signature": "\u00e9"},
        {"webhook-signature": signed(KEY, Message("wh_1", NOW), BODY).replace("v1,", "v2,")},
        {"webhook-signature": signed(KEY, Message("wh_1", NOW), BODY).replace("v1,", "v1a,")},
        {"webhook-signature": " ".join(["v1,x"] * 16 + [signed(KEY, Message("wh_1", NOW), BODY)])},
    ],
)
def test_a_message_with_another_header_is_not_believed(changed: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        verified([KEY], headers() | changed, BODY, now=NOW)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_message_without_a_header_is_not_believed(missing: str) -> None:
    with pytest.raises(BadSignature):
        verified([KEY], {name: value for name, value in headers().items() if name != missing}, BODY, now=NOW)


def test_without_secrets_nothing_is_believed() -> None:
    with pytest.raises(BadSignature):
        verified([], headers(), BODY, now=NOW)


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_a_message_with_another_byte_is_not_believed(at: int, by: int) -> None:
    changed = BODY[:at] + bytes([BODY[at] ^ by]) + BODY[at + 1 :]

    with pytest.raises(BadSignature):
        verified([KEY], headers(), changed, now=NOW)


@given(st.dictionaries(st.sampled_from(sorted(headers())), st.text(max_size=80)), st.binary(max_size=80))
def test_whatever_comes_is_answered(sent: dict[str, str], body: bytes) -> None:
    with pytest.raises(BadSignature):
        verified([KEY], sent, body, now=NOW)


@pytest.mark.parametrize("body", [BODY, '{"text":"caf\u00e9"}'.encode(), b""])
def test_the_libraries_of_the_standard_and_of_the_provider_agree(body: bytes) -> None:
    now = int(time.time())
    secret = secret_of(KEY)
    sent = headers(body=body, at=now)

    assert Webhook(secret).sign("wh_1", datetime.fromtimestamp(now, UTC), body.decode()) == sent["webhook-signature"]
    Webhook(secret).verify(body, sent, json_parse=False)
    OpenAI(api_key="none").webhooks.verify_signature(body, sent, secret=secret)
    assert verified([key_of(secret)], sent, body, now=now)


def test_a_secret_is_read_back() -> None:
    assert key_of(secret_of(KEY)) == KEY
    assert key_of(secret_of(KEY).rstrip("=")) == KEY


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_not base64 at all, though long enough",
        b64encode(KEY).decode(),
        secret_of(b"k" * 23),
        secret_of(b"k" * 65),
    ],
)
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="webhook"):
        key_of(secret)
