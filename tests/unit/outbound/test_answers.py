from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.webhooks.outbound.answers import MOST_BODY, MOST_HEAD, AnswerReader, MalformedAnswer

FRAMED = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\n\r\nabc"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nRetry-After: 3\r\nLink: </a>\r\n\r\n"


def read(*parts: bytes) -> AnswerReader:
    reader = AnswerReader()
    for part in parts:
        reader.feed(part)
    return reader


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (FRAMED, (503, "7", b"busy")),
        (CHUNKED, (200, None, b"abc")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, None, b"")),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", (304, None, b"")),
        (b"HTTP/1.1 299\r\ncontent-length: 0\r\n\r\n", (299, None, b"")),
        (INTERIM * 2 + FRAMED, (503, "7", b"busy")),
        (b"HTTP/1.1 429 No\r\nRetry-After: 1\r\nretry-after: 2\r\nContent-Length: 0\r\n\r\n", (429, "1", b"")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 3000, (200, None, b"x" * MOST_BODY)),
    ],
)
def test_there_is_enough_of_an_answer_at_its_end_or_after_its_first_kilobyte(
    sent: bytes, told: tuple[int, str | None, bytes]
) -> None:
    reader = read(sent)

    assert reader.enough
    assert reader.answered == told


@given(st.sampled_from([FRAMED, CHUNKED, INTERIM + FRAMED]), st.lists(st.integers(1, 80), max_size=6))
def test_an_answer_is_the_same_however_it_is_cut(sent: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(sent)]

    cut = read(*(sent[begin:end] for begin, end in pairwise(places) if begin < end))

    assert cut.answered == read(sent).answered
    assert (cut.enough, cut.lasting) == (True, True)


def test_an_answer_that_does_not_say_how_long_it_is_ends_with_its_connection() -> None:
    reader = read(UNTIL_CLOSED)

    assert not reader.enough
    assert reader.closed()
    assert reader.answered.body == b"abc"


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n", FRAMED[:-1], CHUNKED[:-1], INTERIM])
def test_an_answer_that_was_cut_is_not_whole(sent: bytes) -> None:
    reader = read(sent)

    assert not reader.enough
    assert not reader.closed()


@pytest.mark.parametrize(
    "sent",
    [
        FRAMED.replace(b"\r\n", b"\r\nConnection: close\r\n", 1),
        FRAMED.replace(b"1.1", b"1.0", 1),
        FRAMED + b"H",
        FRAMED + FRAMED,
        FRAMED + b"garbage",
        UNTIL_CLOSED + b"x" * MOST_BODY,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 3000,
    ],
)
def test_a_connection_lasts_only_after_an_answer_that_is_whole_and_alone(sent: bytes) -> None:
    reader = read(sent)

    assert reader.enough
    assert not reader.lasting


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"-ERR unknown command\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nA\x00: b\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_what_is_no_http_is_malformed(sent: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        read(sent)


@pytest.mark.parametrize("part", [b"X: y\r\n", INTERIM, b"Retry-After: 1\r\n"])
def test_a_head_that_does_not_end_is_malformed_as_soon_as_it_is_too_long(part: bytes) -> None:
    first = b"" if part == INTERIM else b"HTTP/1.1 200 OK\r\n"

    with pytest.raises(MalformedAnswer):
        read(first, *[part] * (MOST_HEAD // len(part) + 1))
