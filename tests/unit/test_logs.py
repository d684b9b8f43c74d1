import pytest

from polling_api.logs import mask, mask_secrets


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("GET /events?access_token=abc.def&fields=id", "GET /events?access_token=***&fields=id"),
        ("refused Bearer abc.def-ghi", "refused Bearer ***"),
        ("Authorization: Digest abc", "Authorization: ***"),
        ("[(b'host', b'a'), (b'authorization', b'Bearer abc')]", "[(b'host', b'a'), (b'authorization', b'***')]"),
        ("{'Idempotency-Key': 'a-key-of-mine', 'Accept': '*/*'}", "{'Idempotency-Key': '***', 'Accept': '*/*'}"),
        ("the token pat_kxDEEA.b64-_= has ended", "the token *** has ended"),
        ('Signature-Input: sig1=("@method");nonce="abcdef"', "Signature-Input: ***"),
        ('covered ("@method");created=1;nonce="abcdefgh"', 'covered ("@method");created=1;nonce="***"'),
        ("sig1=:sQpK8S1R1Tz4dJ3yv1cQn0WqJw1bT0e0Zw7c9gXq2aA=:", "sig1=:***:"),
        ('{"id":"key_1","secret":"c2VjcmV0"}', '{"id":"key_1","secret":"***"}'),
        ("made hJ8Hq0sYb6f7m2Zy3Wq9cVt1Rk5Xn4Lp0Ae8Du2Gi7o= just now", "made *** just now"),
        ("made hJ8Hq0sYb6f7m2Zy3Wq9cVt1Rk5Xn4Lp0Ae8Du2Gi-o= just now", "made *** just now"),
        ("invalid input for query argument $2: 'a body' (expected bytes)", "invalid input for query argument $2: ***"),
        ("duplicate key\nDETAIL:  Key (key)=(mine) exists.\n[SQL: INSERT", "duplicate key\nDETAIL:  ***\n[SQL: INSERT"),
        (
            "Input should be a number [type=x, input_value='a', input_type=str]",
            "Input should be a number [type=x, input_value=***, input_type=str]",
        ),
        ("postgresql://polling:pass%40word@db:5432/polling", "postgresql://polling:***@db:5432/polling"),
        ("redis://:password@cache/0", "redis://:***@cache/0"),
        ("postgresql://db/polling?user=u&password=word", "postgresql://db/polling?user=u&password=***"),
        ("host=db password=word dbname=polling", "host=db password=*** dbname=polling"),
        ("signed with whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "signed with ***"),
        ("the key sk-abcdefghijkl was refused", "the key *** was refused"),
        ("/api/v1/jobs/pat_lsQQeuffKHas7J3JUwc4EKVu.2qXqX8eJtWjU-iJw_70/results", "/api/v1/jobs/***/results"),
        ("signature: sig1=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:", "signature: ***"),
    ],
)
def test_secrets_are_masked_and_what_they_belong_to_stays(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/jobs/job_0 took 3 ms",
        "http://127.0.0.1:8000/v1/batches",
        "3 tokens left",
        "09:00:00",
        'W/"4-0123456789abcdef"',
        "key_" + "0" * 32,
        "d" * 64,
        "the signature does not hold",
        "sig1",
    ],
)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert mask(text) == text


def test_secrets_are_masked_however_deep_and_whatever_holds_them() -> None:
    event = {
        "event": "refused",
        "token": "abc",
        "headers": {"Authorization": "abc", "Accept": "application/json"},
        "calls": [{"url": "/events?access_token=abc"}],
        "raw": [(b"Signature", b"sig1=:abc:"), (b"accept", b"*/*")],
        "body": {"model": "a secret of the caller's"},
        "upstream-api-key": b"abc",
        "master_keys": ["abc", "def"],
        "error": ValueError("cannot connect to redis://:word@cache/0"),
        "count": 3,
    }

    assert mask_secrets(None, "info", event) == {
        "event": "refused",
        "token": "***",
        "headers": {"Authorization": "***", "Accept": "application/json"},
        "calls": [{"url": "/events?access_token=***"}],
        "raw": [["Signature", "***"], ["accept", "*/*"]],
        "body": "***",
        "upstream-api-key": "***",
        "master_keys": "***",
        "error": "cannot connect to redis://:***@cache/0",
        "count": 3,
    }
