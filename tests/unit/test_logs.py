import pytest

from polling_api.logs import mask, mask_secrets


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("GET /events?access_token=abc.def&fields=id", "GET /events?access_token=***&fields=id"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("postgresql://polling:pass%40word@db:5432/polling", "postgresql://polling:***@db:5432/polling"),
        ("redis://:password@cache/0", "redis://:***@cache/0"),
        ("postgresql://db/polling?user=u&password=word", "postgresql://db/polling?user=u&password=***"),
        ("host=db password=word dbname=polling", "host=db password=*** dbname=polling"),
        ("signed with whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "signed with ***"),
        ("the key sk-abcdefghijkl was refused", "the key *** was refused"),
        ("/api/v1/jobs/pat_lsQQeuffKHas7J3JUwc4EKVu.2qXqX8eJtWjU-iJw_70/results", "/api/v1/jobs/***/results"),
        ("signature: sig1=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:", "signature: sig1=***"),
    ],
)
def test_secrets_are_masked_and_what_they_belong_to_stays(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text", ["GET /api/v1/jobs/job_0 took 3 ms", "http://127.0.0.1:8000/v1/batches", "3 tokens left", "09:00:00"]
)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert mask(text) == text


def test_secrets_are_masked_however_deep_and_whatever_holds_them() -> None:
    event = {
        "event": "refused",
        "token": "abc",
        "headers": {"Authorization": "abc", "Accept": "application/json"},
        "calls": [{"url": "/events?access_token=abc"}],
        "error": ValueError("cannot connect to redis://:word@cache/0"),
        "count": 3,
    }

    assert mask_secrets(None, "info", event) == {
        "event": "refused",
        "token": "***",
        "headers": {"Authorization": "***", "Accept": "application/json"},
        "calls": [{"url": "/events?access_token=***"}],
        "error": "cannot connect to redis://:***@cache/0",
        "count": 3,
    }
