"""Whole answers on their way out: what is compressed, how often, and what is left alone."""

import gzip
from typing import Any

import pytest
from starlette.types import Message, Scope

from polling_api.api import compression
from polling_api.api.codings import Accepted
from polling_api.api.compression import Compression, may_be_coded, recoded
from polling_api.coding import GZIP, Coding

BODY = b'{"status":"queued"}' * 100
START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}


class Counted:
    """Gzip that counts how often it compressed."""

    def __init__(self) -> None:
        self.times = 0
        self.accepted = Accepted(Coding("gzip", "", self.whole, GZIP.compressor), plain=True)

    def whole(self, body: bytes) -> bytes:
        self.times += 1
        return GZIP.whole(body)


def begun(status: int = 200, **headers: str) -> Message:
    made = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return {**START, "status": status, "headers": [(name.encode(), value.encode()) for name, value in made.items()]}


def asked(method: str = "GET", **more: Any) -> Scope:
    return {"type": "http", "method": method, **more}


async def test_a_body_is_compressed_once_for_all_who_are_sent_the_same() -> None:
    counted, kept = Counted(), Compression()

    bodies = [(await kept.coded(START, bytes(bytearray(BODY)), counted.accepted))[1] for _ in range(5)]

    assert {gzip.decompress(body) for body in bodies} == {BODY}
    assert counted.times == 1


async def test_what_is_kept_is_bounded_and_the_latest_stays() -> None:
    counted, kept = Counted(), Compression(10_000)

    for number in range(100):
        await kept.coded(START, b"%d" % number + BODY, counted.accepted)

    assert 5_000 < kept.kept <= 10_000
    await kept.coded(START, b"99" + BODY, counted.accepted)
    assert counted.times == 100


async def test_a_long_body_is_not_kept() -> None:
    counted, kept = Counted(), Compression()

    for _ in range(2):
        await kept.coded(START, b"x" * (compression.LARGEST_KEPT + 1), counted.accepted)

    assert (counted.times, kept.kept) == (2, 0)


async def test_a_short_body_goes_out_as_it_is() -> None:
    start, body = await Compression().coded(START, b"{}", Counted().accepted)

    assert (start, body) == (START, b"{}")


@pytest.mark.parametrize(
    ("scope", "start", "may"),
    [
        (asked(), begun(), True),
        (asked("HEAD"), begun(), True),
        (asked(), begun(404, content_type="application/problem+json"), True),
        (asked(), begun(content_type="text/html; charset=utf-8"), True),
        (asked("POST"), begun(422, content_type="application/problem+json"), True),
        (asked("POST"), begun(201), False),
        (asked("POST"), begun(202), False),
        (asked("PATCH"), begun(), False),
        (asked(), begun(304), False),
        (asked(), begun(204), False),
        (asked(), begun(content_encoding="zstd"), False),
        (asked(), begun(content_type="text/event-stream"), False),
        (asked(), begun(content_type="image/png"), False),
    ],
)
def test_what_may_be_compressed(scope: Scope, start: Message, may: bool) -> None:  # noqa: FBT001
    assert may_be_coded(scope, start) is may


@pytest.mark.parametrize(
    ("etag", "told"),
    [(b'W/"4-0a"', b'W/"4-0a"'), (b'"0a-gzip"', b'"0a-gzip"'), (b'"0a"', b'W/"0a"'), (b'"0a-zstd"', b'W/"0a-zstd"')],
)
def test_a_strong_tag_stays_strong_only_where_it_is_of_the_coding(etag: bytes, told: bytes) -> None:
    headers = recoded([(b"etag", etag), (b"content-length", b"9000")], GZIP, 10)

    assert headers == [(b"etag", told), (b"content-encoding", b"gzip"), (b"content-length", b"10")]
